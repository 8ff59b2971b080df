"""The version that results carry, so that a later pipeline can tell what made them."""

from importlib.metadata import version

PIPELINE_VERSION = version("tryon")
