"""Facts of Apple's frameworks (facts.json, taken from the SDK), as C that declarations meet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FACTS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "facts.json").read_text(encoding="utf-8")
)
# macOS 11.0, which wheels are built for.
DEPLOYMENT_TARGET = (11, 0)
# Of the Objective-C runtime, on every macOS, but in none of its public headers.
OBJC_LIBRARY = "/usr/lib/libobjc.A.dylib"
OBJC = ("objc_autoreleasePoolPush", "objc_autoreleasePoolPop", "objc_retain", "objc_release")
_POINTER = re.compile(r"\(\*\)\(")


def declaration(kind: str, name: str) -> str:
    """``name`` declared as of type ``kind``; 8-byte integers as on any 64-bit system."""
    kind = kind.replace("unsigned long long", "uint64_t").replace("long long", "int64_t")
    found = _POINTER.search(kind)
    if found:
        return f"{kind[: found.start()]}(*{name})({kind[found.end() :]}"
    return f"{kind} {name}"


def structures(names: Iterable[str]) -> Iterator[str]:
    """The structures with what they are made of, each once."""
    done: set[str] = set()

    def with_parts(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        facts = FACTS["structs"][name]
        for _, _, kind in facts["fields"].values():
            for part in re.findall(r"\w+", kind):
                if part in FACTS["structs"]:
                    yield from with_parts(part)
        fields = " ".join(
            declaration(kind, field) + ";" for field, (_, _, kind) in facts["fields"].items()
        )
        tag = facts["tag"]
        what = f"struct {tag} {{ {fields} }};" if tag else f"typedef struct {{ {fields} }} {name};"
        yield f"#pragma pack(push, {facts['align']})\n{what}\n#pragma pack(pop)"

    for name in names:
        yield from with_parts(name)


def header() -> str:
    """Everything that is known, as a header that goes before our own (with
    ``VIDEOHW_HAVE_APPLE_STRUCTS`` and ``VIDEOHW_OWN_APPLE_DECLARATIONS``): a compiler refuses a
    declaration that differs."""
    prototypes = []
    for name, facts in FACTS["functions"].items():
        parameters = [declaration(kind, f"a{i}") for i, kind in enumerate(facts["parameters"])]
        listed = ", ".join(parameters) or "void"
        prototypes.append(declaration(facts["returns"], f"{name}({listed})") + ";")
    for name, facts in FACTS["variables"].items():
        prototypes.append(f"extern {declaration(facts['type'], name)};")
    kinds = sorted(set(re.findall(r"struct \w+", "\n".join(prototypes))))
    return "\n".join(
        [
            "#include <stddef.h>",
            "#include <stdint.h>",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif",
            *[f"{kind};" for kind in kinds],
            *structures(FACTS["structs"]),
            *prototypes,
            "#ifdef __cplusplus",
            "}",
            "#endif",
            "",
        ]
    )


def claims() -> list[str]:
    """What must be true of the layouts and constants of our own declarations, as C11."""
    lines = []
    for name, facts in FACTS["structs"].items():
        kind = f"struct {facts['tag']}" if facts["tag"] else name
        lines.append(f'_Static_assert(sizeof({kind}) == {facts["size"]}, "{name}");')
        lines.append(f'_Static_assert(_Alignof({kind}) == {facts["align"]}, "{name} alignment");')
        for field, (offset, size, _) in facts["fields"].items():
            full = f"{name}.{field}"
            lines.append(f'_Static_assert(offsetof({kind}, {field}) == {offset}, "{full}");')
            lines.append(
                f'_Static_assert(sizeof((({kind} *)0)->{field}) == {size}, "{full} size");'
            )
    for name, value in FACTS["constants"].items():
        lines.append(f'_Static_assert({name} == {value}, "{name}");')
    return lines


def library_of(symbol: str) -> str | None:
    """The install name of the library that exports ``symbol`` in macOS 11.0; None: nobody does,
    as far as the facts tell."""
    if symbol in OBJC:
        return OBJC_LIBRARY
    facts = FACTS["functions"].get(symbol) or FACTS["variables"].get(symbol)
    if facts is None or facts["library"] is None:
        return None
    if facts["macos"] and version(facts["macos"]) > DEPLOYMENT_TARGET:
        return None
    return str(FACTS["install_names"][facts["library"]])


def version(text: str) -> tuple[int, ...]:
    """ "10.13" as numbers."""
    return tuple(map(int, text.split(".")))
