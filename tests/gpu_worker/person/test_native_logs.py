"""Only harmless lines are kept off the error stream."""

import os
import warnings

import pytest

from gpu_worker.person.native_logs import quiet_native_logs


def test_chatter_is_dropped_and_errors_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet_native_logs():
        os.write(2, b"W0000 00:00:1795260883.542028    6105 inference_feedback_manager.cc:114] Feedback manager\n")
        os.write(2, b"I0000 00:00:1795260883.542028    6105 gl_context.cc:369] GL version\n")
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"E0000 00:00:1795260883.542028    6105 calculator_graph.cc:928] out of memory\n")
        os.write(2, b"terminate called without an active exception\n")
    error_stream = capfd.readouterr().err
    assert error_stream.splitlines() == [
        "E0000 00:00:1795260883.542028    6105 calculator_graph.cc:928] out of memory",
        "terminate called without an active exception",
    ]


def test_the_error_stream_is_itself_again_after_a_failure(capfd: pytest.CaptureFixture[str]) -> None:
    @quiet_native_logs()
    def fail() -> None:
        os.write(2, b"F0000 00:00:1 1 check.cc:1] Check failed\n")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        fail()
    os.write(2, b"after\n")
    assert capfd.readouterr().err.splitlines() == ["F0000 00:00:1 1 check.cc:1] Check failed", "after"]


def test_our_own_warnings_still_count() -> None:
    with pytest.warns(UserWarning, match="ours"), quiet_native_logs():
        warnings.warn("ours", stacklevel=1)
