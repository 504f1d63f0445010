"""What is said between us and the process that runs sherpa-onnx, beside `wire`."""

from __future__ import annotations

from msgspec import Struct

from antiphon.engines.cascade.stt.wire import Audio, Cancel, Finish, Heard, Trouble


class Begin(Struct, frozen=True, tag="begin", array_like=True):
    pass


Command = Begin | Audio | Finish | Cancel
News = Heard | Trouble
