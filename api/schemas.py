"""What every request and answer has in common."""

from typing import Annotated, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from api.database import Row
from api.pagination import Cursor, decode_cursor


class RequestModel(BaseModel):
    """A request: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class AnswerModel(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


def _checked_cursor(cursor: str) -> str:
    decode_cursor(cursor)
    return cursor


class PageQuery(RequestModel):
    """Which page of a list is asked for."""

    limit: Annotated[int, Field(ge=1, le=100, description="Most items on a page.")] = 20
    cursor: (
        Annotated[
            str, Field(max_length=200, description="`next_cursor` of the page before."), AfterValidator(_checked_cursor)
        ]
        | None
    ) = None

    def after(self) -> Cursor | None:
        """The item after which the page begins; None for the first page."""
        return decode_cursor(self.cursor) if self.cursor else None


Item = TypeVar("Item")


class Page(AnswerModel, Generic[Item]):
    """One page of a list, newest first. Ask again with `cursor` set to `next_cursor` until that is null."""

    items: list[Item]
    next_cursor: str | None = None


def cut_page(rows: list[Row], limit: int) -> tuple[list[Row], str | None]:
    """The rows of a page and the cursor of the next, from one row more than the page holds."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], Cursor(last["created_at"], last["id"]).encode()
