from __future__ import annotations

from typing import get_args

import pytest

from antiphon.talk.advice import with_advice
from antiphon.upstream.connection import CannotConnect, Trouble


def test_a_failure_is_told_with_the_flag_that_mends_it() -> None:
    error = CannotConnect("nobody listens at there", trouble="nobody")
    assert with_advice(error) == (
        "nobody listens at there; is the server running? start it with: make run"
    )


@pytest.mark.parametrize("trouble", get_args(Trouble))
def test_each_trouble_has_its_advice(trouble: Trouble) -> None:
    assert with_advice(CannotConnect("no", trouble=trouble)).startswith("no; ")


def test_what_nobody_can_mend_is_told_as_it_is() -> None:
    assert with_advice(CannotConnect("no")) == "no"
