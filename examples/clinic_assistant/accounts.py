"""Who may come in: patients with passwords, and the tokens that they get for them."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt

TOKEN_TTL_S = 3600
ALGORITHM = "HS256"
ISSUER = "clinic"


class NotLoggedIn(Exception):
    """The token is missing, forged or too old, or the password is wrong; told to people."""


@dataclass(frozen=True)
class Patient:
    id: str
    name: str


@dataclass(frozen=True)
class _Account:
    patient: Patient
    salt: bytes
    hash: bytes


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


class Accounts:
    """In memory: in place of your own.

    Args:
        key: signs the tokens; 32 bytes or more.
        now_s: Unix time.
    """

    def __init__(self, key: bytes, now_s: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now_s = now_s
        self._accounts: dict[str, _Account] = {}
        self._nobody = self._made(Patient("", ""), secrets.token_urlsafe())

    def add(self, login: str, password: str, name: str) -> Patient:
        account = self._made(Patient(login, name), password)
        self._accounts[login] = account
        return account.patient

    def log_in(self, login: str, password: str) -> str:
        """A token.

        Raises:
            NotLoggedIn: no such account, or another password; it takes as long either way.
        """
        account = self._accounts.get(login, self._nobody)
        right = hmac.compare_digest(account.hash, _hash(password, account.salt))
        if not right or account is self._nobody:
            raise NotLoggedIn("There is no account with this name and password.")
        now_s = int(self._now_s())
        claims = {"iss": ISSUER, "sub": login, "iat": now_s, "exp": now_s + TOKEN_TTL_S}
        return jwt.encode(claims, self._key, ALGORITHM)

    def patient(self, token: str) -> Patient:
        """Whose token this is.

        Raises:
            NotLoggedIn: it is not valid, or not any more.
        """
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],  # Never the one that the token names.
                issuer=ISSUER,
                options={
                    "require": ["exp", "iss", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            account = self._accounts[claims["sub"]]
        except (jwt.InvalidTokenError, KeyError):
            raise NotLoggedIn("Please log in.") from None
        if claims["exp"] <= self._now_s():
            raise NotLoggedIn("Please log in again: that was a while ago.")
        return account.patient

    @staticmethod
    def _made(patient: Patient, password: str) -> _Account:
        salt = secrets.token_bytes(16)
        return _Account(patient, salt, _hash(password, salt))
