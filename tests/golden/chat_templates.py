"""Writes chat_templates.json: what transformers renders from chat templates, as sums of the text.

    DPO4J_DATA=... python chat_templates.py [directories]

* every template in chat_templates/, our own, with the conversations of chat_conversations.py
* templates in $DPO4J_DATA/chat-templates, by the sha256 of their text, with the same conversations
* other templates, likewise: those in the directories, such as models/templates of llama.cpp; without directories those that the file has
* snippets of chat_snippets.py, with their text, or null where Python raises an error
* changed templates: a token of one of ours deleted, doubled, exchanged or replaced

A sum is the first 16 digits of the sha256 of the text, a line break, and the spans of generation blocks as JSON; "error" if Python raises one. Of
conversations, a template has one sum for each GROUP of them: that of their sums, one after another.
"""

import copy
import datetime
import hashlib
import json
import logging
import os
import random
import re
import signal
import sys
import warnings
from pathlib import Path

import jinja2
import transformers
from chat_conversations import DOCUMENTS, TOOLS, conversation
from chat_snippets import VARIABLES, snippet
from transformers.utils import chat_template_utils

HERE = Path(__file__).resolve().parent
assert (transformers.__version__.split(".")[0], jinja2.__version__) == ("5", "3.1.6"), "see requirements-peers.txt"
logging.disable(logging.CRITICAL)
warnings.simplefilter("ignore")

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
CONVERSATIONS = 400
GROUP = 20
SNIPPETS = 700
CHANGES = 800
TOKEN = re.compile(r"""\{[%{#][-+]?|[-+]?[%}#]\}|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\w+|\s+|[^\w\s]""", re.DOTALL)
REPLACEMENTS = {
    "trim": ["lower", "upper", "length", "string", "tojson", "list", "first", "safe", "capitalize", "title", "sort", "join"],
    "tojson": ["string", "trim", "length"],
    "if": ["for", "elif"],
    "and": ["or"],
    "or": ["and", "in"],
    "not": [""],
    "true": ["false", "none"],
    "false": ["true"],
    "first": ["last", "index", "index0", "length", "revindex"],
    "last": ["first", "nextitem"],
    "index0": ["index"],
    "strip": ["lstrip", "rstrip", "upper"],
    "split": ["rsplit", "partition"],
    "string": ["mapping", "sequence", "iterable", "none"],
    "defined": ["none", "undefined", "string"],
    "mapping": ["string", "sequence"],
    "length": ["first", "last", "string"],
    "endif": ["endfor"],
    "loop": ["ns", "message"],
    "set": ["if"],
}


class Noon(datetime.datetime):
    """strftime_now reads the clock; the tests have the same."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 6, 12, 4, 3)


chat_template_utils.datetime = Noon


class TooLong(BaseException):
    pass


def stop(*_):
    raise TooLong


signal.signal(signal.SIGALRM, stop)


def render(template, chat):
    """The text and the spans, as apply_chat_template calls render_jinja_template; None if Python raises an error."""
    messages = [{k: v for k, v in message.items() if v is not None} for message in copy.deepcopy(chat["messages"])]
    is_continued = chat["end"] == "CONTINUE_FINAL_MESSAGE"
    has_spans = not is_continued and bool(re.search(r"\{%-?\s*generation", template))
    try:
        texts, spans = chat_template_utils.render_jinja_template(
            [messages],
            tools=chat.get("tools"),
            documents=chat.get("documents"),
            chat_template=template,
            return_assistant_tokens_mask=has_spans,
            continue_final_message=is_continued,
            add_generation_prompt=chat["end"] == "GENERATION_PROMPT",
            **{**SPECIAL, **chat.get("variables", {})},
        )
        texts[0].encode()
    except Exception:
        return None
    return texts[0], [list(span) for span in spans[0]] if has_spans else []


def summed(result):
    if result is None:
        return "error"
    return hashlib.sha256((result[0] + "\n" + json.dumps(result[1])).encode()).hexdigest()[:16]


def change(tokens, pick):
    """The tokens with one or two changes, and where they begin and end."""
    made = list(tokens)
    for _ in range(pick.choice([1, 1, 1, 2])):
        code = [i for i, token in enumerate(made) if re.match(r"\w|[{%\-'|.()\[\]=~+]", token)]
        at = pick.choice(code)
        known = [i for i in code if made[i] in REPLACEMENTS]
        kind = pick.random()
        if kind < 0.15:
            del made[at]
        elif kind < 0.3:
            made.insert(at, made[at])
        elif kind < 0.4:
            other = min(len(made) - 1, at + pick.randint(1, 4))
            made[at], made[other] = made[other], made[at]
        elif kind < 0.7 and known:
            at = pick.choice(known)
            made[at] = pick.choice(REPLACEMENTS[made[at]])
        elif kind < 0.85:
            tag = pick.choice([i for i, token in enumerate(made) if token[:2] in ("{%", "{{") or token[-2:] in ("%}", "}}")])
            sign = pick.choice(["-", "+", ""])
            made[tag] = made[tag][:2] + sign if made[tag][0] == "{" else sign + made[tag][-2:]
        else:
            made.insert(at, pick.choice(["\n", "  ", "|trim", "|upper", "[0]", "[1:]", ".strip()", " is defined", "not ", "~", "'x'", "(", ")", "none"]))
    return "".join(made)


def difference(old, new):
    begin = 0
    while begin < min(len(old), len(new)) and old[begin] == new[begin]:
        begin += 1
    end = 0
    while end < min(len(old), len(new)) - begin and old[-1 - end] == new[-1 - end]:
        end += 1
    return begin, len(old) - end, new[begin : len(new) - end]


def changes(templates, chats):
    made = []
    for seed in range(CHANGES):
        pick = random.Random(seed)
        name = pick.choice(sorted(templates))
        usable = [i for i, chat in enumerate(chats) if render(templates[name], chat) is not None][:60]
        chat = pick.choice(usable)
        begin, end, replacement = difference(templates[name], change(TOKEN.findall(templates[name]), pick))
        changed = templates[name][:begin] + replacement + templates[name][end:]
        signal.alarm(5)
        try:
            made.append([name, begin, end, replacement, chat, summed(render(changed, chats[chat]))])
        except TooLong:
            pass
        finally:
            signal.alarm(0)
    return made


def snippets():
    chat = {"messages": [{"role": "user", "content": "hi"}], "end": "AS_IS", "variables": VARIABLES}
    results = []
    for seed in range(SNIPPETS):
        template = snippet(seed)
        result = render(template, chat)
        # addresses of objects differ in each run
        if len(template) < 250 and (result is None or len(result[0]) < 400 and " at 0x" not in result[0]):
            results.append([template, None if result is None else result[0]])
    return results


def grouped(template, chats):
    """The sums of a template, GROUP conversations together."""
    sums = [summed(render(template, chat)) for chat in chats]
    return [summed(("".join(sums[i : i + GROUP]), [])) for i in range(0, len(sums), GROUP)]


def by_hash(files, chats):
    """The grouped sums of each template, by the sha256 of its text."""
    found = {}
    for file in sorted(files):
        text = file.read_bytes().decode()
        found[hashlib.sha256(text.encode()).hexdigest()] = grouped(text, chats)
    return found


def main():
    out = HERE / "chat_templates.json"
    chats = [conversation(seed) for seed in range(CONVERSATIONS)]
    templates = {file.stem: file.read_text() for file in sorted((HERE / "chat_templates").glob("*.jinja"))}
    published = by_hash(Path(os.environ["DPO4J_DATA"], "chat-templates").rglob("*.jinja"), chats)
    files = [file for directory in sys.argv[1:] for file in Path(directory).rglob("*.jinja")]
    others = by_hash(files, chats) if files else json.loads(out.read_text())["others"]
    golden = {
        "special": SPECIAL,
        "group": GROUP,
        "tools": TOOLS,
        "documents": DOCUMENTS,
        "conversations": [stored(chat) for chat in chats],
        "templates": {name: grouped(text, chats) for name, text in templates.items()},
        "published": published,
        "others": {key: sums for key, sums in others.items() if key not in published},
        "variables": VARIABLES,
        "snippets": snippets(),
        "changes": changes(templates, chats),
    }
    lines = [f"{json.dumps(key)}: {lined(value)}" for key, value in golden.items()]
    out.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def stored(chat):
    """A conversation with the number of its tools and documents instead of these."""
    return {**chat, **{key: len(chat[key]) for key in ("tools", "documents") if key in chat}}


def lined(value):
    if isinstance(value, list):
        return "[\n" + ",\n".join(compact(one) for one in value) + "\n]"
    return compact(value)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    main()
