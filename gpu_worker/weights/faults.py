"""What can be wrong with weights, told apart by who can put it right."""


class WeightsRefused(Exception):
    """A file given for conversion is damaged, is not what it should be, or asks for code to be run."""


class WeightsUnusable(Exception):
    """A folder of converted weights lacks something or is damaged; `problems` says what and what to do, a line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))
