"""Conversations for chat_templates.py: of seeded random messages, tools, reasoning, parts and odd texts."""

import json
import random

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather of a city.\nNow.",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": 'A name, like "Köln"'},
                    "unit": {"type": "string", "enum": ["c", "f"]},
                    "days": {"type": ["integer", "null"]},
                },
                "required": ["city"],
            },
        },
    },
    {
        "type": "function",
        "function": {
            "name": "total",
            "description": "<b>Sum</b> & more",
            "parameters": {
                "type": "object",
                "properties": {
                    "numbers": {"type": "array", "items": {"type": "number"}},
                    "options": {"type": "object", "properties": {"deep": {"type": "boolean"}}},
                },
                "required": [],
            },
        },
    },
]
DOCUMENTS = [{"title": "one title", "text": "body"}, {"title": "Ü", "text": "x\ny", "n": 1.5}]
TEXTS = [
    "Hello",
    "",
    "  spaced \n",
    "What is 2 + 2?",
    "日本語 😀 é",
    "a\nb\r\nc",
    "<think>\nhm\n</think>\n\nFour.",
    "tab\there",
    "\u00a0no break\u2003",
    "line\u2028separator",
    "x" * 30,
    "{{ no template }}",
    "</s><|end|>",
    "\n\n lead",
    "trail \t ",
    "so</think>then",
    "'single' \"double\" \\ back",
]
NUMBERS = [1, 2.5, None, True, 10**20, 1e-7, -0.0, 1e16]


def call(pick):
    arguments = {"city": pick.choice(TEXTS), "days": pick.choice(NUMBERS), "list": [1, 2.0, "z"]}
    if pick.random() < 0.3:
        arguments = {}
    if pick.random() < 0.15:
        arguments = json.dumps(arguments)
    made = {"type": "function", "function": {"name": pick.choice(["weather", "total"]), "arguments": arguments}}
    if pick.random() < 0.5:
        made["id"] = f"call{pick.randrange(10000)}"
    return made


def answer(pick):
    message = {"role": "assistant", "content": pick.choice(TEXTS)}
    kind = pick.random()
    for name, limit in (("reasoning_content", 0.2), ("thinking", 0.25), ("reasoning", 0.3)):
        if kind < limit:
            message[name] = pick.choice(TEXTS)
            break
    if pick.random() < 0.25:
        message["tool_calls"] = [call(pick) for _ in range(pick.randint(1, 2))]
        if pick.random() < 0.5:
            message["content"] = None
        elif pick.random() < 0.2:
            del message["content"]
    return message


def messages(pick):
    made = []
    if pick.random() < 0.4:
        made.append({"role": pick.choice(["system", "system", "developer"]), "content": pick.choice(TEXTS)})
    turns = pick.randint(1, 3)
    for turn in range(turns):
        content = pick.choice(TEXTS)
        if pick.random() < 0.12:
            content = [{"type": "text", "text": pick.choice(TEXTS)} for _ in range(2)]
        made.append({"role": "user", "content": content})
        if turn < turns - 1 or pick.random() < 0.7:
            made.append(answer(pick))
            for one in made[-1].get("tool_calls", []):
                made.append({"role": "tool", "content": pick.choice(TEXTS), "name": one["function"]["name"]})
    if pick.random() < 0.04:
        pick.shuffle(made)
    if pick.random() < 0.03:
        pick.choice(made)["role"] = "narrator"
    return made


def conversation(seed):
    pick = random.Random(seed)
    made = {"messages": messages(pick)}
    if pick.random() < 0.35:
        made["tools"] = TOOLS[: pick.randint(1, 2)]
    if pick.random() < 0.15:
        made["documents"] = DOCUMENTS
    if pick.random() < 0.2:
        made["variables"] = {"enable_thinking": pick.random() < 0.5}
    end = pick.random()
    made["end"] = "GENERATION_PROMPT" if end < 0.4 else "CONTINUE_FINAL_MESSAGE" if end < 0.5 else "AS_IS"
    return made
