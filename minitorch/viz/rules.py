"""What a gradient rule says, printed from the rule itself: its source, and as a formula where it is one."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

GREEK = {"alpha", "beta", "delta", "eps", "lambd", "gamma"}
SYMBOLS = {"eps": r"\epsilon", "lambd": r"\lambda", "g": r"\bar z", "z": "z"}
FUNCTIONS = {
    "exp": r"\exp", "log": r"\ln", "log2": r"\log_2", "log10": r"\log_{10}", "sin": r"\sin", "cos": r"\cos",
    "tan": r"\tan", "sinh": r"\sinh", "cosh": r"\cosh", "tanh": r"\tanh", "sigmoid": r"\sigma", "sgn": r"\operatorname{sign}",
}  # fmt: skip
COMPARISONS = {ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge", ast.Eq: "=", ast.NotEq: r"\ne"}


@functools.cache
def lambdas(path: str) -> dict[int, list[ast.Lambda]]:
    """The lambdas of a file by the line on which they begin."""
    found: dict[int, list[ast.Lambda]] = {}
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.Lambda):
            found.setdefault(node.lineno, []).append(node)
    return found


@functools.cache
def expression(rule: Callable) -> ast.expr | None:
    """The syntax tree of a lambda's body, or of the one expression that a function returns; None for a longer one."""
    code = rule.__code__
    if code.co_name != "<lambda>":
        tree: Any = ast.parse(textwrap.dedent(inspect.getsource(rule))).body[0]
        body = [s for s in tree.body if not isinstance(s, ast.Expr)]  # less the docstring
        return body[0].value if len(body) == 1 and isinstance(body[0], ast.Return) else None
    names = list(code.co_varnames[: code.co_argcount])
    found = [f.body for f in lambdas(code.co_filename)[code.co_firstlineno] if [a.arg for a in f.args.args] == names]
    bodies = {ast.dump(body): body for body in found}
    if len(bodies) == 1:
        return next(iter(bodies.values()))
    return next((body for body in bodies.values() if _compiles_to(body, names, code)), None)


def _compiles_to(body: ast.expr, names: list[str], code) -> bool:
    """Several lambdas with the same arguments may begin on one line: compare what they compile to."""
    compiled = compile(f"lambda {', '.join(names)}: {ast.unparse(body)}", "rule", "eval").co_consts[0]
    return steps(compiled) == steps(code)


def steps(code: CodeType) -> list[tuple]:
    """What a piece of code computes, step by step, wherever its lines were broken."""
    return [
        (i.opname.replace("METHOD", "ATTR"), steps(i.argval) if isinstance(i.argval, CodeType) else i.argval)
        for i in dis.get_instructions(code)
        if i.opname != "NOP" and "JUMP" not in i.opname
    ]


def source(rule: Callable) -> str:
    """The rule as text: an expression, or a whole function."""
    found = expression(rule)
    return ast.unparse(found) if found is not None else textwrap.dedent(inspect.getsource(rule)).rstrip()


def formula(rule: Callable) -> str | None:
    """The rule in LaTeX, where it is plain arithmetic and named functions; else None."""
    found = expression(rule)
    if found is None:
        return None
    try:
        return latex(found)
    except Unprintable:
        return None


def equation(argument: str, rule: Callable) -> str | None:
    """The rule for the input `argument` as an equation in LaTeX, where it has a formula."""
    found = formula(rule)
    return None if found is None else rf"\frac{{\partial L}}{{\partial\, {symbol(argument)}}} = {found}"


class Unprintable(Exception):
    """There is no customary notation for this expression."""


def latex(node: ast.expr, inside: int = 0) -> str:
    """`inside`: how strongly the surroundings bind; 1 in a sum's term to the right of -, 2 in a product, 3 in a power."""
    match node:
        case ast.Name(id=name):
            return symbol(name)
        case ast.Constant(value=bool() | None | str()):
            raise Unprintable
        case ast.Constant(value=value):
            return number(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return parenthesised(f"-{latex(operand, 2)}", inside >= 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return parenthesised(f"{latex(left)} + {latex(right)}", inside >= 1)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return parenthesised(f"{latex(left)} - {latex(right, 1)}", inside >= 1)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return parenthesised(rf"{latex(left, 2)} \, {latex(right, 2)}", inside >= 3)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return parenthesised(rf"\frac{{{latex(left)}}}{{{latex(right)}}}", inside >= 3)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"{latex(left, 3)}^{{{latex(right)}}}"
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in COMPARISONS:
            return parenthesised(f"{latex(left)} {COMPARISONS[type(operator)]} {latex(right)}", inside >= 1)
        case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
            return (
                rf"\begin{{cases}} {latex(yes)} & \text{{if }} {latex(condition)} \\ "
                rf"{latex(no)} & \text{{otherwise}} \end{{cases}}"
            )
        case ast.Call(func=ast.Name(id="zeros_as")):
            return "0"
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args, keywords=[]):
            return applied(name, [value, *args])
        case ast.Attribute(value=ast.Name(id="math"), attr=name):
            return {"pi": r"\pi", "e": "e", "inf": r"\infty", "nan": r"\text{nan}"}.get(name, rf"\mathrm{{{name}}}")
    raise Unprintable


def applied(name: str, arguments: list[ast.expr]) -> str:
    first = latex(arguments[0])
    if isinstance(arguments[0], ast.Name) and arguments[0].id == "math" and len(arguments) == 2:
        return applied(name, arguments[1:])
    match name, len(arguments):
        case "sqrt", 1:
            return rf"\sqrt{{{first}}}"
        case "abs", 1:
            return rf"\left|{first}\right|"
        case "square", 1:
            return f"{latex(arguments[0], 3)}^2"
        case "reciprocal", 1:
            return rf"\frac{{1}}{{{first}}}"
        case "rsqrt", 1:
            return rf"\frac{{1}}{{\sqrt{{{first}}}}}"
        case _, 1 if name in FUNCTIONS:
            return rf"{FUNCTIONS[name]}\left({first}\right)"
    raise Unprintable


def symbol(name: str) -> str:
    if name in SYMBOLS:
        return SYMBOLS[name]
    if name in GREEK:
        return rf"\{name}"
    return rf"\mathrm{{{name.replace('_', ' ')}}}" if len(name) > 1 else name


def number(value) -> str:
    return repr(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else repr(value)


def parenthesised(text: str, wanted: bool) -> str:
    return rf"\left({text}\right)" if wanted else text


@functools.cache
def mathml(argument: str, rule: Callable) -> str | None:
    """`equation` as MathML, which browsers draw by themselves; None where there is no formula, or no latex2mathml."""
    try:
        from latex2mathml.converter import convert
    except ImportError:
        return None
    found = equation(argument, rule)
    return None if found is None else convert(found, display="block")
