"""Read the pickle in a package from PyTorch without running code from it.

A pickle is a program for a small stack machine. Python's own reader executes it: it imports, calls, sets attributes
and allocates. This module implements only the instructions that `torch.save` uses (protocol 2), and rejects all others.
Names map to objects of `pickle_names` or are rejected. Nothing is imported, nothing from the file is called, and an
instruction uses memory in proportion to its bytes.

The published packages of Demucs contain dicts, lists, tuples, texts and numbers; the name of the network's class;
`fractions.Fraction` (the segment's length); tensors; and numpy scalars in the record of the training.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any

from unbraid.models.readers.pickle_names import DONT_TRUST, Factory, Ignored, resolve, storage
from unbraid.models.readers.tensors import PackageError

# Bytes: four times the size in published packages. A pickle of this length takes about a second.
LONGEST = 1 << 18


def read_pickle(content: bytes) -> object:
    """Return the object that a pickle of at most `LONGEST` bytes describes.

    It consists of the types in `pickle_names` and of dict, list, tuple, str, int, float, bool and None. Containers
    may be shared, and may contain themselves. Raises PackageError.
    """
    try:
        return _Machine(content).run()
    except PackageError:
        raise
    # Errors of invalid instructions: too few objects on the stack, invalid text, a fraction with the denominator 0.
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError, struct.error) as error:
        raise PackageError("its pickle is invalid") from error


class _Machine:
    """Stack, marks and memo of a pickle. Python's `pickletools` documents the instructions."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        """Run all instructions. Raises PackageError, and other errors for invalid instructions."""
        while (instruction := self._take(1)) != pickle.STOP:
            self._run_one(instruction)
        if self._position != len(self._content):
            raise PackageError("its pickle is followed by other data", DONT_TRUST)
        (whole,) = self._stack
        return whole

    def _run_one(self, instruction: bytes) -> None:
        push, pop = self._stack.append, self._stack.pop
        match instruction:
            case pickle.PROTO:
                if self._number("<B") != 2:
                    raise PackageError(
                        "PyTorch didn't save it with its default options", "Save it without options."
                    )
            case pickle.MARK:
                self._marks.append(len(self._stack))
            case pickle.BINUNICODE:
                push(self._take(self._number("<I")).decode())
            case pickle.BININT:
                push(self._number("<i"))
            case pickle.BININT1:
                push(self._number("<B"))
            case pickle.BININT2:
                push(self._number("<H"))
            case pickle.LONG1:
                push(int.from_bytes(self._take(self._number("<B")), "little", signed=True))
            case pickle.BINFLOAT:
                push(self._number(">d"))
            case pickle.NONE:
                push(None)
            case pickle.NEWTRUE:
                push(True)
            case pickle.NEWFALSE:
                push(False)
            case pickle.EMPTY_DICT:
                push({})
            case pickle.EMPTY_LIST:
                push([])
            case pickle.EMPTY_TUPLE:
                push(())
            case pickle.TUPLE1:
                push((pop(),))
            case pickle.TUPLE2:
                second, first = pop(), pop()
                push((first, second))
            case pickle.TUPLE3:
                third, second, first = pop(), pop(), pop()
                push((first, second, third))
            case pickle.TUPLE:
                push(tuple(self._since_mark()))
            case pickle.APPEND:
                self._extend([pop()])
            case pickle.APPENDS:
                self._extend(self._since_mark())
            case pickle.SETITEM:
                value, key = pop(), pop()
                self._update([key, value])
            case pickle.SETITEMS:
                self._update(self._since_mark())
            case pickle.BINPUT:
                self._memo[self._number("<B")] = self._stack[-1]
            case pickle.LONG_BINPUT:
                self._memo[self._number("<I")] = self._stack[-1]
            case pickle.BINGET:
                push(self._memo[self._number("<B")])
            case pickle.LONG_BINGET:
                push(self._memo[self._number("<I")])
            case pickle.GLOBAL:
                push(resolve(f"{self._line()} {self._line()}"))
            case pickle.REDUCE:
                arguments, factory = pop(), pop()
                if not isinstance(factory, Factory) or not isinstance(arguments, tuple):
                    raise PackageError("it tries to call a function", DONT_TRUST)
                push(factory.make(*arguments))
            case pickle.BUILD:
                # Ignore attributes of a dict (PyTorch stores versions of modules in them) or of a numpy type.
                pop()
                if not isinstance(self._stack[-1], dict | Ignored):
                    raise PackageError("it tries to change an object", DONT_TRUST)
            case pickle.BINPERSID:
                push(storage(pop()))
            case _:
                raise PackageError(
                    f"its pickle has an instruction that packages don't need ({instruction!r})", DONT_TRUST
                )

    def _take(self, length: int) -> bytes:
        taken = self._content[self._position : self._position + length]
        if len(taken) < length:
            raise PackageError("its pickle is truncated")
        self._position += length
        return taken

    def _number(self, kind: str) -> Any:
        (number,) = struct.unpack(kind, self._take(struct.calcsize(kind)))
        return number

    def _line(self) -> str:
        end = self._content.index(b"\n", self._position)
        line = self._take(end - self._position).decode()
        self._position += 1
        return line

    def _since_mark(self) -> list[Any]:
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def _update(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Texts and numbers only: hashing nested tuples can take forever.
            if not isinstance(key, str | int) or key in target:
                raise PackageError("an entry has a duplicate or invalid name")
            target[key] = value
