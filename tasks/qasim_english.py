"""The generated questions in words: a closed vocabulary, and few forms of sentence."""

from __future__ import annotations

from dataclasses import dataclass

from marl_eval.tasks.qasim_world import SPEAKERS, Ambiguity, Fact, Person

FIRST_NAMES = [
    "Rolo", "Tamo", "Beso", "Dego", "Fimu", "Kipa", "Luno", "Mavi", "Nolu", "Pedo", "Suri", "Vako",
]  # fmt: skip
LAST_NAMES = [
    "Barin", "Cotel", "Davor", "Felun", "Garos", "Hemil", "Jorat", "Kesin", "Lopar", "Mirel",
    "Notas", "Ravel",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fact: its verb, what stands before a value, and the values, which are answers."""

    verb: str
    article: str
    values: tuple[str, ...]


KINDS = [
    Kind("keep", "a ", (
        "cat", "dog", "fox", "hen", "goat", "duck", "pig", "frog", "crow", "mole", "swan", "toad",
    )),
    Kind("play", "the ", (
        "drum", "flute", "harp", "horn", "lute", "bell", "gong", "lyre", "viol", "banjo", "cello",
        "oboe",
    )),
    Kind("eat", "", (
        "figs", "plums", "rice", "beans", "corn", "leeks", "nuts", "peas", "pears", "soup", "bread",
        "cheese",
    )),
    Kind("wear", "", (
        "red", "blue", "green", "white", "black", "brown", "pink", "grey", "gold", "teal", "lilac",
        "beige",
    )),
]  # fmt: skip


def describe(ambiguity: Ambiguity, *, one_is_meant: bool) -> str:
    """Write a question with all that its answer follows from."""
    name = FIRST_NAMES[ambiguity.readings[0].first]
    shares = [
        f"{share} mean {_name(person)}"
        for share, person in zip(ambiguity.shares, ambiguity.readings, strict=True)
    ]
    lines = [f"Of {SPEAKERS} people who say {name}, {', '.join(shares)}."]
    lines += [
        f"{_name(person)} {' and '.join(map(_told, KINDS, person.facts))}."
        for person in ambiguity.people
    ]
    if any(len(fact) > 1 for person in ambiguity.people for fact in person.facts):
        lines.append("Where it says or, both are as likely.")
    asked = KINDS[ambiguity.asked].verb
    if ambiguity.told is not None:
        kind, value = ambiguity.told
        name = f"the {name} who {_told(KINDS[kind], (value,))}"
    who = f"One of the {SPEAKERS} asks" if one_is_meant else "All who may be meant count"
    lines.append(f"{who}: what does {name} {asked}?")
    return "\n".join(lines)


def _name(person: Person) -> str:
    return f"{FIRST_NAMES[person.first]} {LAST_NAMES[person.last]}"


def _told(kind: Kind, fact: Fact) -> str:
    return f"{kind.verb}s {' or '.join(kind.article + kind.values[value] for value in fact)}"
