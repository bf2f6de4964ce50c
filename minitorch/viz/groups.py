"""What folds: the calls of modules, and runs of nodes where there are too many in one place to look at.

A group has as many members as can be looked at at once, so a graph of any size is a tree of groups, of which the page
draws those that are open.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .graph import Entry, Graph
from .recording import ModuleCall

MOST = 32  # operations and groups in one group
RUN = 16  # so many become one where there are more
VISIBLE = 48  # so many nodes are drawn at first


@dataclass(eq=False)
class Group:
    """A module's call or a run of operations. Members: ids of entries and further groups, in the order of the run."""

    title: str
    kind: str
    parent: Group | None
    members: list[int | Group] = field(default_factory=list)
    number: int = 0
    open: bool = False

    def path(self) -> list[Group]:
        """From the outermost group to this one."""
        return [*self.parent.path(), self] if self.parent else [self]


def grouped(graph: Graph) -> tuple[Group, dict[int, Group]]:
    """The outermost group, and the group of every entry."""
    births = {entry.id: entry.birth for entry in graph.entries}
    top = Group("", "", None)
    of_call: dict[ModuleCall, Group] = {}
    operations = sorted((e for e in graph.entries if e.kind == "operation"), key=lambda e: e.birth)
    for entry in operations:
        innermost = None
        for call in graph.calls:  # in the order of their beginnings, so the last one that holds is the innermost
            if call.begin > entry.birth:
                break
            if call.holds(entry.birth):
                innermost = call
        _group_of(innermost, of_call, top).members.append(entry.id)
    _join_single(top, graph.entries)
    _cut(top, births, graph.entries)
    home = {i: group for group in every(top) for i in group.members if isinstance(i, int)}
    _place_sources(graph, home)
    for number, group in enumerate(every(top)):
        group.number = number
    _open_levels(top)
    return top, home


def every(group: Group) -> Iterable[Group]:
    yield group
    for member in group.members:
        if isinstance(member, Group):
            yield from every(member)


def _group_of(call: ModuleCall | None, known: dict, top: Group) -> Group:
    if call is None:
        return top
    if call not in known:
        parent = _group_of(call.parent, known, top)
        title = (
            f"{parent.title}.{call.name}" if call.name.isdigit() and call.parent and call.parent.parent else call.name
        )
        known[call] = Group(title, call.kind, parent)
        parent.members.append(known[call])
    return known[call]


def _join_single(group: Group, entries: list[Entry]) -> None:
    """A module around one thing is only a name for that thing."""
    for k, member in enumerate(group.members):
        if not isinstance(member, Group):
            continue
        _join_single(member, entries)
        if len(member.members) == 1:
            (only,) = member.members
            if isinstance(only, Group):
                only.title = only.title if only.title.startswith(member.title) else f"{member.title}.{only.title}"
                only.parent = group
            else:
                entries[only].module = f"{member.title}.{m}" if (m := entries[only].module) else member.title
            group.members[k] = only


def _first(member, births: dict[int, int]) -> int:
    return births[member] if isinstance(member, int) else min(_first(m, births) for m in member.members)


def _cut(group: Group, births: dict[int, int], entries: list[Entry]) -> None:
    """Runs of `RUN` neighbours become groups until there are few enough members."""
    for member in group.members:
        if isinstance(member, Group):
            _cut(member, births, entries)
    group.members.sort(key=lambda member: _first(member, births))
    while len(group.members) > MOST:
        size = min(RUN, -(-len(group.members) // 2))
        runs = []
        for start in range(0, len(group.members), size):
            members = group.members[start : start + size]
            run = Group(_span(members, entries), "run", group, members)
            for member in members:
                if isinstance(member, Group):
                    member.parent = run
            runs.append(run)
        group.members = list(runs)


def _span(members: list, entries: list[Entry]) -> str:
    ends = []
    for member, end in ((members[0], 0), (members[-1], -1)):
        while isinstance(member, Group):
            if member.kind != "run":
                break
            member = member.members[end]
        ends.append(entries[member].name if isinstance(member, int) else member.title)
    return f"{ends[0]} … {ends[1]}"


def _place_sources(graph: Graph, home: dict[int, Group]) -> None:
    """A leaf or a constant stands in the innermost group that holds all its uses."""
    users: dict[int, list[Group]] = {}
    for edge in graph.edges:
        if graph.entries[edge.source].kind != "operation" and edge.target in home:
            users.setdefault(edge.source, []).append(home[edge.target])
    for entry, groups in users.items():
        paths = [group.path() for group in groups]
        common = [steps[0] for steps in zip(*paths, strict=False) if len(set(map(id, steps))) == 1]
        home[entry] = common[-1]
        common[-1].members.append(entry)


def _open_levels(top: Group) -> None:
    """Level by level, all groups of a level are open if what is then seen is not too much."""
    top.open, level, seen = True, [top], len(top.members)
    while True:
        inner = [m for group in level for m in group.members if isinstance(m, Group)]
        seen += sum(len(group.members) - 1 for group in inner)
        if not inner or seen > VISIBLE:
            return
        for group in inner:
            group.open = True
        level = inner
