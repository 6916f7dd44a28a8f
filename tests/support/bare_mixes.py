"""Synthetic traffic without prompts: the log holds inputs and answers, and nothing else tells the tasks apart."""

from __future__ import annotations

import json
import random
from typing import Any

from freehold.vocabulary import Call

from .mixes import call, user

ENGLISH_CHAT = """
write explain compare poem essay plan recipe speech workout black holes tax law French
revolution sourdough chess openings Rust lifetimes jazz volcanoes knitting inflation
marathons why how best like five minutes about with for and versus ideas summer garden
history simple steps example python function sort sleep better interview questions
"""

ENGLISH: dict[str, Any] = {
    "support": {
        "shapes": [
            "I {verb} the {item} {when}",
            "Hello, the {item} was {verb} {when}",
            "can you help, my {item} is {verb}",
        ],
        "verb": ["lost", "broken", "returned", "ordered", "cancelled", "misplaced", "replaced", "blocked"],
        "when": ["yesterday", "last week", "this morning", "again", "before the holidays"],
        "item": {
            "invoice": "billing",
            "refund": "billing",
            "password": "access",
            "login": "access",
            "router": "device",
        },
    },
    "review": {
        "shapes": [
            "the {dish} was {item}, {who} {did} it",
            "{item} {dish}; {who} {did} everything",
            "{who} {did} the {item} {dish}",
        ],
        "dish": ["soup", "pasta", "dessert", "wine list", "breakfast", "terrace", "steak", "service"],
        "who": ["my wife", "the kids", "our table", "everyone", "the waiter"],
        "did": ["praised", "talked about", "remembered", "finished", "noticed"],
        "item": {
            "delicious": "positive",
            "wonderful": "positive",
            "awful": "negative",
            "stale": "negative",
            "average": "neutral",
        },
    },
    "ticket": {
        "shapes": [
            "{host} {fails}: {item} on port {port}",
            "pod {host} {fails} with {item}",
            "{item} since deploy, {host} {fails}",
        ],
        "host": ["db-primary", "edge-proxy", "auth-svc", "cache-node", "worker-pool", "ingest-job"],
        "fails": ["restarts", "degraded", "flapping", "unreachable", "throttled"],
        "port": ["443", "5432", "6379", "8080"],
        "item": {"timeout": "P2", "oom kill": "P1", "data loss": "P1", "slow query": "P3", "typo in log": "P3"},
    },
    "record": {
        "shapes": [
            "book a table for {n} at {place} under {name}",
            "{name} needs {n} seats in {place} tonight",
            "reserve {place}, {n} guests, name is {name}",
        ],
        "n": ["2", "3", "4", "5", "6", "8"],
        "place": ["Lisbon", "Oslo", "Kyoto", "Quito", "Nairobi", "Porto", "Turin"],
        "name": ["Ana", "Bruno", "Chloe", "Dmitri", "Elif", "Farid", "Greta", "Hiro"],
        "keys": ["party", "city", "guest"],
    },
    "junk": {"about": ENGLISH_CHAT.split()},
}

GERMAN_CHAT = """
schreib erkläre vergleiche Gedicht Referat Rezept Drehbuch über schwarze Löcher
Steuerrecht Revolution Sauerteig Schach Jazz Vulkane Inflation warum wie einfach Beispiel
Garten Geschichte Sommer Ideen für und mit besser schlafen Bewerbung Fragen Python
Funktion sortieren Schritte kurz lang
"""

GERMAN: dict[str, Any] = {
    "support": {
        "shapes": [
            "Ich habe {item} {when} {verb}",
            "Guten Tag, {item} wurde {when} {verb}",
            "Können Sie helfen, {item} ist {verb}",
        ],
        "verb": ["verloren", "gesperrt", "bezahlt", "bestellt", "storniert", "ersetzt"],
        "when": ["gestern", "letzte Woche", "heute früh", "schon wieder"],
        "item": {
            "die Rechnung": "Buchhaltung",
            "die Gutschrift": "Buchhaltung",
            "das Passwort": "Zugang",
            "das Konto": "Zugang",
            "der Drucker": "Technik",
        },
    },
    "review": {
        "shapes": ["{dish} war {item}, {who} hat es {did}", "{item}e Küche: {dish}, {who} hat alles {did}"],
        "dish": ["die Suppe", "der Nachtisch", "das Frühstück", "die Weinkarte", "der Braten"],
        "who": ["meine Frau", "jeder am Tisch", "der Kellner", "die Familie"],
        "did": ["gelobt", "bemerkt", "erwähnt", "aufgegessen"],
        "item": {
            "köstlich": "positiv",
            "wunderbar": "positiv",
            "scheußlich": "negativ",
            "versalzen": "negativ",
            "mittelmäßig": "neutral",
        },
    },
    "ticket": {
        "shapes": ["{host} {fails}, {item} auf Port {port}", "Dienst {host} {fails} wegen {item}"],
        "host": ["Datenbank-1", "Proxy-West", "Anmeldedienst", "Zwischenspeicher"],
        "fails": ["startet neu", "antwortet nicht", "wird gedrosselt"],
        "port": ["443", "5432", "6379"],
        "item": {
            "Zeitüberschreitung": "mittel",
            "Speichermangel": "hoch",
            "Datenverlust": "hoch",
            "langsamer Abfrage": "niedrig",
        },
    },
    "record": {
        "shapes": [
            "Bitte Tisch für {n} in {place} auf {name}",
            "{name} braucht {n} Plätze in {place} heute Abend",
            "Reservierung {place}, {n} Gäste, Name {name}",
        ],
        "n": ["2", "3", "4", "5", "6"],
        "place": ["Köln", "Bremen", "Graz", "Basel", "Leipzig"],
        "name": ["Anke", "Bernd", "Carla", "Detlef", "Elke"],
        "keys": ["personen", "ort", "gast"],
    },
    "junk": {"about": GERMAN_CHAT.split()},
}

JAPANESE_CHAT = """
書いて 説明して 比べて 詩を 作文を レシピ 脚本 ブラックホールの 税法について
フランス革命 将棋の ジャズ 火山 物価が なぜ どうやって 簡単に 例えば 庭の 歴史を
夏の アイデア 睡眠 面接の 質問 関数を 並べ替え 手順 短く 長めに 教えて
"""

JAPANESE: dict[str, Any] = {
    "support": {
        "shapes": ["{item}を{when}{verb}", "お世話になります。{when}{item}を{verb}", "{item}の件ですが{when}{verb}"],
        "verb": ["紛失しました", "取り消しました", "注文しました", "交換しました"],
        "when": ["昨日", "先週", "今朝", "また"],
        "item": {"請求書": "経理", "返金": "経理", "パスワード": "認証", "ログイン": "認証", "ルーター": "機器"},
    },
    "review": {
        "shapes": ["{dish}が{item}、{who}も{did}", "{who}が{did}、{dish}は{item}"],
        "dish": ["スープ", "デザート", "朝食", "ワイン", "雰囲気"],
        "who": ["妻", "子供たち", "店員さん", "友人"],
        "did": ["褒めていた", "驚いていた", "話していた"],
        "item": {"美味しい": "良い", "素晴らしい": "良い", "ひどい": "悪い", "冷たい": "悪い", "まあまあ": "普通"},
    },
    "ticket": {
        "shapes": ["{host}が{fails}: {item} port {port}", "{fails}{host}にて{item}"],
        "host": ["db-01", "proxy-2", "auth", "cache-3"],
        "fails": ["再起動中", "応答なし", "劣化"],
        "port": ["443", "5432", "6379"],
        "item": {"timeout": "P2", "OOM": "P1", "データ消失": "P1", "slow query": "P3"},
    },
    "record": {
        "shapes": ["{place}で{n}名、{name}の名前で予約", "{name}です。今夜{place}に{n}席お願いします"],
        "n": ["2", "3", "4", "5"],
        "place": ["東京", "大阪", "京都", "札幌", "福岡"],
        "name": ["田中", "佐藤", "鈴木", "高橋", "伊藤"],
        "keys": ["人数", "都市", "氏名"],
    },
    "junk": {"about": JAPANESE_CHAT.split()},
}


def filled(rng: random.Random, words: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """A text of a task, and the words that were put in."""
    chosen = {key: rng.choice(list(values)) for key, values in words.items() if key not in ("shapes", "keys")}
    return rng.choice(words["shapes"]).format(**chosen), chosen


def labelled(rng: random.Random, n: int, truth: str, words: dict[str, Any], **extra: Any) -> list[Call]:
    """A classification of which the log holds the bare text only."""
    found = [filled(rng, words) for _ in range(n)]
    return [call(truth, [user(text)], words["item"][chosen["item"]], **extra) for text, chosen in found]


def recorded(rng: random.Random, n: int, words: dict[str, Any], **extra: Any) -> list[Call]:
    """An extraction of which the log holds the bare text only; a field is sometimes missing."""
    found: list[Call] = []
    for _ in range(n):
        text, chosen = filled(rng, words)
        values = dict(zip(words["keys"], (chosen["n"], chosen["place"], chosen["name"]), strict=True))
        kept = {key: value for key, value in values.items() if rng.random() < 0.95}
        found.append(call("record", [user(text)], json.dumps(kept, ensure_ascii=False), **extra))
    return found


def chatter(rng: random.Random, n: int, words: dict[str, Any]) -> list[Call]:
    """One-off chats in the same language."""
    found: list[Call] = []
    for _ in range(n):
        about = " ".join(rng.sample(words["about"], rng.randint(3, 9)))
        found.append(call("none", [user(about)], " ".join(rng.choices(words["about"], k=rng.randint(25, 60)))))
    return found
