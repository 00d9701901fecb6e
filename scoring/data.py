"""What models are made of: frozen data in which nothing unknown is ignored."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

Facts = Mapping[str, str | int | Sequence[Mapping[str, Any]]]
"""What a model may know of a record: codes, counts and lists of findings, by the catalogue's field names."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
"""A reason code, or the name of a group or a sum."""

FieldName = Annotated[str, StringConstraints(pattern=r"^\S{1,64}$")]


class Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
