"""Reads the pickle inside a package that PyTorch saved, without running anything in it.

A pickle is a program for a small stack machine, and Python's own reader does whatever it says: imports, calls, sets
attributes, allocates. Here that machine is written out for the instructions that `torch.save` uses (protocol 2), so
that what a file can cause is what stands below. Names stand for things of ours or are refused (`pickle_names`);
nothing is imported, nothing from the file is called, and an instruction costs memory in proportion to its bytes.

What the published packages of Demucs hold: dicts, lists, tuples, texts and numbers; the network's class, by name;
`fractions.Fraction` (the segment's length); tensors; and in what is kept of the training, numpy scalars.
"""

from __future__ import annotations

import pickle
import struct
from typing import Any

from unbraid.models.readers.pickle_names import DONT_TRUST, Maker, Unneeded, named, storage
from unbraid.models.readers.tensors import PackageError

# Bytes: four times what the published packages need, and at most as many instructions, about a second.
LONGEST = 1 << 18


def read_pickle(content: bytes) -> object:
    """What a pickle of at most `LONGEST` bytes describes.

    It consists of the types in `pickle_names` and of dict, list, tuple, str, int, float, bool and None. Containers
    may be shared and may hold themselves, as pickles can say so. Raises PackageError.
    """
    try:
        return _Machine(content).run()
    except PackageError:
        raise
    # What Python says where the instructions make no sense: too few things on the stack, no text, a fraction of 0.
    except (ValueError, IndexError, KeyError, TypeError, ArithmeticError, struct.error) as error:
        raise PackageError("its pickle makes no sense") from error


class _Machine:
    """The stack, the marks on it and the memo of a pickle; see Python's `pickletools` for the instructions."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        """Do all instructions. Raises PackageError; other errors where they make no sense."""
        while (instruction := self._take(1)) != pickle.STOP:
            self._do(instruction)
        if self._position != len(self._content):
            raise PackageError("something follows the end of its pickle", DONT_TRUST)
        (whole,) = self._stack
        return whole

    def _do(self, instruction: bytes) -> None:
        push, pop = self._stack.append, self._stack.pop
        match instruction:
            case pickle.PROTO:
                if self._number("<B") != 2:
                    raise PackageError(
                        "it was not saved as PyTorch saves by default", "save it without options"
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
                push(named(f"{self._line()} {self._line()}"))
            case pickle.REDUCE:
                arguments, maker = pop(), pop()
                if not isinstance(maker, Maker) or not isinstance(arguments, tuple):
                    raise PackageError("it calls what it must not", DONT_TRUST)
                push(maker.make(*arguments))
            case pickle.BUILD:
                # Attributes of a dict (PyTorch keeps versions of modules so) or of a numpy type: needed by nobody.
                pop()
                if not isinstance(self._stack[-1], dict | Unneeded):
                    raise PackageError("it changes what it must not", DONT_TRUST)
            case pickle.BINPERSID:
                push(storage(pop()))
            case _:
                raise PackageError(
                    f"its pickle has an instruction that no package needs ({instruction!r})", DONT_TRUST
                )

    def _take(self, length: int) -> bytes:
        taken = self._content[self._position : self._position + length]
        if len(taken) < length:
            raise PackageError("its pickle was cut short")
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
            # Texts and numbers alone: the hash of tuples in tuples can take for ever.
            if not isinstance(key, str | int) or key in target:
                raise PackageError("an entry in it is there twice or has an absurd name")
            target[key] = value
