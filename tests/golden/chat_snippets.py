"""Small templates for chat_templates.py: expressions of seeded random values, filters, methods and tests, and loops around them."""

import random

STRINGS = (
    r"""'' 'a' 'abc' 'Hello_World' '_x_' 'a,b,,c' 'ÄÖß' '日本' '😀é' '1' '42' '-7' '3.5' '1e5' 'a\nb\n' 'tab\tx' 'It\'s' '<b>&' 'aXbXc' """
    r"""'\u00e9' '\x41' '\d' '\é' 's' m.role m.content m['content'] items[2] xs[0] d.a"""
).split()
NUMBERS = "0 1 2 -1 3 10 255 -17 1.0 0.5 -2.5 1e10 1e16 1e-5 0.1 100.0 12345678901234567890 true 2.675 1_000 0x1f x n f big".split()
LISTS = [
    "[]", "[1, 2, 3]", "['b', 'a', 'C']", "[1, 'a', none, true, 1.0]", "[[1, 2], [3]]", "(1, 2)", "()", "('x',)", "range(4)", "range(10, 0, -3)",
    "[{'n': 2, 's': 'b'}, {'n': 1, 's': 'a'}, {'n': 1, 's': 'B'}]", "[0, 1, 1, true, 2.0]", "'abc' | list", "['x', '', 'y']", "xs", "items",
]  # fmt: skip
DICTS = ["{}", "{'a': 1}", "{'b': 2, 'a': [1, {'c': none}]}", "{1: 'x', true: 'y', '1': 'z'}", "d", "{'k': 'v', 'items': 3}", "m", "d.b", "items[0]"]
OTHERS = ["none", "undef", "m.missing", "true", "x", "[]", "{}", "''", "0", "d.z"]
TESTS = (
    "defined undefined none string mapping iterable sequence number integer float boolean true false odd even divisibleby(2) callable eq(1) eq('a') ne(2) "
    "lt(3) gt(1) in([1,'a',none]) in('abc') lower upper escaped equalto(1) sameas(none) greaterthan(0)"
).split()
TEXT_METHODS = (
    "strip() lstrip() rstrip() strip('a_') upper() lower() title() capitalize() replace('a','bb') replace('','-') replace('a','b',1) zfill(5) "
    "center(7,'*') ljust(5) rjust(6,'.') removeprefix('a') removesuffix('c') swapcase() expandtabs(4)"
).split()
TEXT_FILTERS = (
    "upper lower trim capitalize title string replace('a','X') replace('a','',1) indent indent(2,true) indent(2,false,true) truncate(5) "
    "truncate(5,true,'') truncate(7,false,'..',0) center(9) trim('a_') default('D') reverse tojson tojson(ensure_ascii=true) first last join('-') safe e"
).split()
LIST_FILTERS = [
    "list", "sort", "sort(reverse=true)", "unique | list", "reverse | list", "map('string') | list", "map(attribute='n') | list",
    "map(attribute='s', default='q') | list", "select | list", "reject('none') | list", "select('string') | list", "select('odd') | list",
    "selectattr('n', 'equalto', 1) | list", "selectattr('n') | list", "rejectattr('s', 'eq', 'a') | list", "batch(2) | list", "batch(2, 'z') | list",
    "slice(2) | list", "slice(2, 'f') | list", "sort(attribute='n')", "sort(attribute='n,s')", "map('default', 'u') | list", "map('length') | list",
    "map('upper') | list", "select('in', [1, 'a']) | list", "select('lt', 3) | list", "map('first') | list", "unique(attribute='s') | list",
]  # fmt: skip
SLICES = "[1:] [:2] [::-1] [1:-1] [-2:] [::2] [0:0] [:-1] [5:] [::-2] [-1:0:-1] [0] [-1]".split()
SPLITS = (
    "split() split(',') split(',',1) rsplit(',',1) split(none,1) rsplit() rsplit(none,1) splitlines() splitlines(true) partition('b') "
    "rpartition('b') split('a') rsplit('a',2)"
).split()
JSON = ["tojson", "tojson(indent=2)", "tojson(sort_keys=true)", "tojson(separators=(',', ':'))", "tojson(indent=1, separators=('; ', ' = '))"]
FORMATS = ["'%s|%r'", "'%5d|%-5d'", "'%05.1f|%.3f'", "'%x %o'", "'%+d % d'", "'%s%%%s'"]


class Snippets:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.depth = 0

    def pick(self, choices):
        return self.random.choice(choices)

    def nested(self, kind):
        self.depth += 1
        made = kind()
        self.depth -= 1
        return f"({made})"

    def is_leaf(self, share):
        return self.depth > 3 or self.random.random() < share

    def text(self):
        if self.is_leaf(0.3):
            return self.pick(STRINGS)
        text, value, number, items = (lambda k=k: self.nested(k) for k in (self.text, self.any, self.number, self.list))
        return self.pick([
            lambda: f"{text()}.{self.pick(TEXT_METHODS)}",
            lambda: text() + self.pick(SLICES),
            lambda: f"{text()} | {self.pick(TEXT_FILTERS)}",
            lambda: f"{text()} ~ {value()}",
            lambda: f"{text()} + {text()}",
            lambda: f"{value()} | {self.pick(JSON)}",
            lambda: f"{items()} | {self.pick(['join', 'join(1)', 'first', 'last'])}",
            lambda: f"{self.pick(FORMATS)} % ({number()}, {self.pick([number, value])()})",
            lambda: f"{self.pick(['{}-{}', '{0}{1}{0}', '{{}}{}'])!r}.format({value()}, {value()})",
            lambda: f"{text()}.join({items()})",
            lambda: f"{text()} if {self.nested(self.truth)}" + self.pick(["", f" else {text()}"]),
            lambda: f"{text()} * {self.pick(['2', '0', '-1', 'true'])}",
        ])()  # fmt: skip

    def number(self):
        if self.is_leaf(0.4):
            return self.pick(NUMBERS)
        number, text, items = (lambda k=k: self.nested(k) for k in (self.number, self.text, self.list))
        return self.pick([
            lambda: f"{number()} {self.pick(['+', '-', '*', '/', '//', '%'])} {number()}",
            lambda: f"{text()} | {self.pick(['length', 'int', 'float', 'wordcount', 'int(5)'])}",
            lambda: f"{items()} | {self.pick(['length', 'sum', 'first', 'min', 'max', 'sum(start=2)'])}",
            lambda: f"{number()} | {self.pick(['abs', 'int', 'float', 'round', 'round(1)', 'round(2)', 'round(1, %r)' % 'floor'])}",
            lambda: text() + self.pick([".find('a')", ".count('a')", ".rfind('b')", ".find('a', 1)", ".count('')"]),
            lambda: f"-{number()}",
            lambda: items() + self.pick([".index(1)", ".count(1)", "[0]"]),
        ])()  # fmt: skip

    def list(self):
        if self.is_leaf(0.35):
            return self.pick(LISTS)
        items, text, value, mapping = (lambda k=k: self.nested(k) for k in (self.list, self.text, self.any, self.dict))
        return self.pick([
            lambda: f"{items()} | {self.pick(LIST_FILTERS)}",
            lambda: items() + self.pick(SLICES),
            lambda: f"{items()} + {items()}",
            lambda: f"{text()}.{self.pick(SPLITS)}",
            lambda: mapping() + self.pick([".keys() | list", ".values() | list", ".items() | list", " | items | list", " | dictsort", ".items()"]),
            lambda: f"[{value()}, {value()}]",
            lambda: f"({value()},)",
        ])()  # fmt: skip

    def dict(self):
        if self.is_leaf(0.6):
            return self.pick(DICTS)
        key = self.pick(["'a'", "1", "true", "none", "1.0", "(1, 2)", "2.5"])
        return self.pick([
            lambda: f"dict(a={self.nested(self.any)}, b=1)",
            lambda: f"dict({self.nested(self.dict)}, z=1)",
            lambda: f"{{{key}: {self.nested(self.any)}, 1: {self.nested(self.any)}}}",
        ])()  # fmt: skip

    def truth(self):
        value, number, text, items = (lambda k=k: self.nested(k) for k in (self.any, self.number, self.text, self.list))
        return self.pick([
            lambda: f"{value()} is {self.pick(['', 'not '])}{self.pick(TESTS)}",
            lambda: f"{value()} {self.pick(['==', '!='])} {value()}",
            lambda: f"{number()} {self.pick(['<', '>=', '>', '<='])} {number()}",
            lambda: f"{text()} {self.pick(['<', '>='])} {text()}",
            lambda: f"{self.pick([text, value])()} {self.pick(['in', 'not in'])} {self.pick([text, items])()}",
            lambda: f"{value()} {self.pick(['and', 'or'])} {value()}",
            lambda: f"not {value()}",
            lambda: text() + self.pick([".startswith('a')", ".startswith(('a', 'H'))", ".endswith('c', 1)", ".isdigit()", ".isalpha()", ".isupper()"]),
        ])()  # fmt: skip

    def any(self):
        return self.pick([self.text, self.text, self.number, self.list, self.dict, self.truth, lambda: self.pick(OTHERS)])()

    def statement(self, level=0):
        def body():
            return self.statement(level + 1) if level < 2 else "{{ x }}{{ y }}"

        begin, end, space = self.pick(["{%", "{%", "{%-", "{%+"]), self.pick(["%}", "%}", "-%}", "+%}"]), self.pick(["", " ", "\n", "\n  ", "  \n", "t"])
        name, value = self.pick("xyzs"), self.any()
        loop = self.pick([
            "", "{{ loop.index }}", "{{ loop.last }}{{ loop.length }}", "{{ loop.nextitem }}", "{{ loop.previtem }}", "{{ loop.changed(x) }}",
            "{% if loop.index0 == 1 %}{% continue %}{% endif %}", "{% if loop.index > 1 %}{% break %}{% endif %}", "{{ loop.cycle('a', 'b') }}",
        ])  # fmt: skip
        return self.pick([
            lambda: f"{{{{ {value} }}}}{space}",
            lambda: f"{begin} set {self.pick([name, 'ns.v'])} = {value} {end}{space}{{{{ x }}}}{{{{ ns.v }}}}",
            lambda: f"{begin} if {value} {end}{space}{body()}{begin} else {end}{space}{body()}{begin} endif {end}{space}{{{{ y }}}}",
            lambda: f"{begin} for {name} in {self.list()} {end}{space}{loop}{body()}{space}{begin} endfor {end}{space}",
            lambda: f"{begin} for {name} in {self.list()} if {value} {end}{loop}{body()}{begin} else {end}none{begin} endfor {end}{space}",
            lambda: f"{begin} set {name}{self.pick(['', ' | upper', ' | trim'])} {end}{space}{body()}{begin} endset {end}{space}{{{{ {name} }}}}",
            lambda: f"{begin} macro f(a, b=x) {end}{{{{ a }}}}{{{{ b }}}}{space}{body()}{begin} endmacro {end}{space}{{{{ f({value}) }}}}{{{{ f(1, b=2) }}}}",
            lambda: f"{begin} with {name} = {value} {end}{space}{body()}{begin} endwith {end}{space}{{{{ {name} }}}}",
            lambda: f"{begin} filter {self.pick(['upper', 'trim', 'indent(2)'])} {end}{body()}{space}{begin} endfilter {end}{space}",
        ])()  # fmt: skip


def snippet(seed):
    snippets = Snippets(seed)
    if seed % 2:
        return "{% set ns = namespace(v=0) %}" + "".join(snippets.statement() for _ in range(2))
    return "{{ " + snippets.any() + " }}"


VARIABLES = {
    "x": 5, "s": "some Text, here", "n": -3, "f": 2.5, "big": 10**25, "xs": ["p", "q", "r"], "items": [{"a": 1}, {"b": "two"}, "three"],
    "d": {"a": "A", "b": {"c": [1, 2]}, "z": None}, "m": {"role": "user", "content": " Hi\nthere "},
}  # fmt: skip
