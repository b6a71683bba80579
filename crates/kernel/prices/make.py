#!/usr/bin/env python3
"""Makes list.json from the Python package `genai-prices`, reduced to what models are charged by here.

    python3 -m pip install genai-prices==0.2.3
    python3 crates/kernel/prices/make.py 2026-11-29 > crates/kernel/prices/list.json

The argument is the day on which the package was fetched. Kept: text tokens of the providers below, each in dollars for a million tokens
as an integer of micro-dollars, with the days from which they hold and the size of the input above which they rise. Left out: models
without a price for text tokens in and out, and models whose price depends on the time of a day; batch, flex and priority prices, what is
billed by the search, the second or the page, and writing to a cache for longer than the shortest time.
"""

import importlib.metadata
import json
import re
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

from genai_prices import types
from genai_prices.data import providers

# Where each is reached: a base URL begins so.
KEPT = {
    "anthropic": ["https://api.anthropic.com/"],
    "deepseek": ["https://api.deepseek.com/"],
    "google": ["https://generativelanguage.googleapis.com/"],
    "groq": ["https://api.groq.com/"],
    "mistral": ["https://api.mistral.ai/"],
    "openai": ["https://api.openai.com/"],
    "x-ai": ["https://api.x.ai/"],
}
BUCKETS = {"input": "input_mtok", "cache_read": "cache_read_mtok", "cache_write": "cache_write_mtok", "output": "output_mtok",
           "reasoning": "output_reasoning_mtok"}
NO_SPEECH = r"^(?!.*-[tT][tT][sS](?:$|-))"


def globs(regex):
    """The regular expressions of the package as patterns with `*` for any text and `#` for a digit."""
    match = re.fullmatch(r"\^((?:\\d(?:\{\d\})?|\\\.|\[-@\]|[\w/.@-])*)(\$?)", regex)
    if not match:
        raise SystemExit(f"no pattern is known for the regular expression {regex}")
    text, end = match.groups()
    text = re.sub(r"\\d\{(\d)\}", lambda m: "#" * int(m[1]), text)
    text = text.replace(r"\d", "#").replace(r"\.", ".") + ("" if end else "*")
    return [text.replace("[-@]", each) for each in "-@"] if "[-@]" in text else [text]


def patterns(clause):
    """What a name must be like, and what it must not be like."""
    match clause:
        case types.ClauseEquals():
            return [clause.equals.lower()], []
        case types.ClauseStartsWith():
            return [clause.starts_with.lower() + "*"], []
        case types.ClauseEndsWith():
            return ["*" + clause.ends_with.lower()], []
        case types.ClauseContains():
            return ["*" + clause.contains.lower() + "*"], []
        case types.ClauseRegex():
            return globs(clause.regex), []
        case types.ClauseOr():
            found = [patterns(each) for each in clause.or_]
            # An exception is one of the whole model: no name of it that is written out is speech.
            return [p for like, _ in found for p in like], sorted({p for _, but in found for p in but})
        case types.ClauseAnd(and_=[first, types.ClauseRegex(regex=regex)]) if regex == NO_SPEECH:
            return patterns(first)[0], ["*-tts", "*-tts-*"]
    raise SystemExit(f"no pattern is known for {clause}")


def micros(price):
    exact = price * 1_000_000
    if exact != exact.to_integral_value() or exact < 0:
        raise SystemExit(f"{price} is no whole number of micro-dollars")
    return int(exact)


def tiers(prices):
    """The prices by the size of the input: what holds above how many tokens, from 0."""
    given = {bucket: getattr(prices, key) for bucket, key in BUCKETS.items()}
    given = {bucket: price for bucket, price in given.items() if price is not None}
    if not {"input", "output"} <= given.keys():
        return None
    tiered = [price for price in given.values() if isinstance(price, types.TieredPrices)]
    above = sorted({0} | {tier.start for price in tiered for tier in price.tiers})

    def at(price, start):
        if isinstance(price, Decimal):
            return price
        reached = [tier.price for tier in price.tiers if tier.start <= start]
        return reached[-1] if start > 0 and reached else price.base

    return [{"above": start} | {bucket: micros(at(price, start)) for bucket, price in given.items()} for start in above]


def periods(model):
    """The prices by the day: each holds until the next one begins."""
    if isinstance(model.prices, types.ModelPrice):
        days = []
    else:
        constraints = [each.constraint for each in model.prices]
        if any(isinstance(each, types.TimeOfDateConstraint) for each in constraints):
            return None
        days = sorted({each.start_date for each in constraints if each})
    found = []
    for day in [None, *days]:
        at = datetime.combine(day or date(2000, 1, 1), datetime.min.time(), UTC)
        prices = tiers(model.get_prices(at))
        if prices is None:
            return None
        if not found or found[-1]["tiers"] != prices:
            found.append(({"from": day.isoformat()} if day else {}) | {"tiers": prices})
    return found


def main():
    version, fetched = importlib.metadata.version("genai-prices"), date.fromisoformat(sys.argv[1])
    lines = []
    for provider in sorted((each for each in providers if each.id in KEPT), key=lambda each: each.id):
        models = []
        for model in provider.models:
            like, but = patterns(model.match)
            prices = periods(model)
            if prices is None:
                prices = []
            models.append({"name": model.id, "like": like} | ({"but": but} if but else {}) | {"periods": prices})
        # A model that is left out keeps its names, so that no later pattern takes them.
        texts = ",\n    ".join(json.dumps(model, separators=(", ", ": ")) for model in models)
        at = json.dumps(KEPT[provider.id])
        lines.append(f'  {{ "name": "{provider.id}", "at": {at}, "models": [\n    {texts}\n  ] }}')
    print('{ "list": "genai-prices", "version": "%s", "fetched": "%s", "licence": "MIT, see LICENSE.genai-prices", "providers": [' %
          (version, fetched.isoformat()))
    print(",\n".join(lines))
    print("] }")


main()
