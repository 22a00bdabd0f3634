"""noderrd.toml: everything that is wrong is told at once, with file, key and what was expected."""

import pytest
from control import desk

from noderrd import config as configuration
from noderrd.settings import SettingsError

BAD = """\
[node]
name = 7
stat = "x"

[lane]
core = -2
idle = "nap"

[venue.NSDQ]
itch_a = "239.1.1.1"
ouch = "127.0.0.1:70000"
user = "TOOLONGUSER"
password = "secret"
credential = "nsdq"

[[instrument]]
symbol = "AAPL"
venue = "NSDQ"
tick = 0.01
"""
BAD_TOLD = [
    "node.stat: no such key (did you mean state?)",
    "node.state: expected a path, found nothing",
    "node.name: expected a string, found 7",
    'venue.NSDQ.itch_a: expected host:port, found "239.1.1.1"',
    'venue.NSDQ.ouch: expected host:port, found "127.0.0.1:70000"',
    "lane.core: expected -1 to 4095, found -2",
    'lane.idle: expected "spin" or "yield" or "sleep", found "nap"',
]
WHOLE_TOLD = [
    "venue.NSDQ.user: expected at most 6 ASCII characters (SoupBinTCP 3.00 section 2.2.3)",
    "venue.EDGE: expected either password or credential",
    "node.currency: expected the currency of sums of money, because instruments trade in USD, EUR",
    "instrument[0].venue: expected one of NSDQ, EDGE, found NSDX",
    "instrument[2].tick: 0.00005 is no multiple of 1/10000",
    "instrument[3]: MSFT at EDGE stands twice",
    "instrument[3].currency: expected USD, as MSFT has elsewhere, found EUR",
]


def told(tmp_path, text):
    path = tmp_path / "noderrd.toml"
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        configuration.read(path)
    assert all(line.startswith(f"{path}: ") for line in caught.value.problems)
    return [line.removeprefix(f"{path}: ") for line in caught.value.problems]


def test_all_faults_of_types_at_once(tmp_path):
    assert told(tmp_path, BAD) == BAD_TOLD


def test_all_faults_of_the_whole_at_once(tmp_path):
    text = desk.CONFIG.format(two_person="true")
    text = text.replace('password = "secret"\narmed', 'password = "secret"\ncredential = "x"\narmed').replace('user = "TEST"', 'user = "TESTING"', 1)
    text = text.replace('tick = "0.05"', 'tick = "0.00005"').replace('venue = "NSDQ"', 'venue = "NSDX"')
    text += '\n[[instrument]]\nsymbol = "MSFT"\nvenue = "EDGE"\ntick = "0.05"\ncurrency = "EUR"\n'
    assert told(tmp_path, text) == WHOLE_TOLD


EURO = '\n[[instrument]]\nsymbol = "SAP"\nvenue = "EDGE"\ntick = "0.01"\ncurrency = "EUR"\n'


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ["rates.EUR: expected what one EUR is worth in USD"]),
        ("EUR = 0", ["rates.EUR: expected 0.000000001 to 1000000000, found 0"]),
        ("EUR = 1.1\nUSD = 1", ["rates.USD: expected another currency, because sums of money are in this one"]),
        (
            "EUR = 1.12345678901",
            ["instrument[3]: expected px_unit, multiplier and rate to come to a fraction of 31 bits, found 112345678901/100000000000"],
        ),
    ],
)
def test_every_currency_has_a_rate(tmp_path, more, expected):
    text = desk.CONFIG.format(two_person="true").replace('name = "test"', 'name = "test"\ncurrency = "USD"')
    assert told(tmp_path, f"{text}{EURO}\n[rates]\n{more}\n") == expected


def test_symbols_are_as_many_as_a_strategy_can_tell_apart(tmp_path):
    text = desk.CONFIG.format(two_person="true") + "".join(f'\n[[instrument]]\nsymbol = "S{k}"\nvenue = "EDGE"\ntick = "0.01"\n' for k in range(62))
    assert told(tmp_path, text) == ["instrument.symbol: expected at most 63 of them, found 64"]


def test_prices_have_decimals(tmp_path):
    text = desk.CONFIG.format(two_person="true") + EURO.replace('"EUR"', '"USD"\npx_unit = 2500').replace("0.01", "1")
    assert told(tmp_path, text) == ["instrument[3].px_unit: expected a power of ten, found 2500"]


def test_a_password_is_not_shown(tmp_path):
    assert "secret" not in repr(configuration.read(desk.write(tmp_path)))


def test_a_credential_is_read_from_its_folder(tmp_path, monkeypatch):
    text = desk.CONFIG.format(two_person="true").replace('password = "secret"\narmed', 'credential = "edge"\narmed')
    path = desk.write(tmp_path)
    path.write_text(text)
    config = configuration.read(path)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "edge").write_text("hidden\n")
    assert config.venues["EDGE"].secret() == "hidden"
    (tmp_path / "edge").unlink()
    with pytest.raises(OSError, match="edge"):
        config.venues["EDGE"].secret()


def test_globs_are_relative_to_the_file_and_each_file_comes_once(tmp_path):
    path = desk.write(tmp_path)
    path.write_text(path.read_text().replace('"rules.d/*.rules"', '"rules.d/10-test.rules", "rules.d/*.rules"'))
    (tmp_path / "rules.d" / "05-first.rules").write_text("")
    assert [p.name for p in configuration.read(path).rules_paths()] == ["10-test.rules", "05-first.rules"]
    assert configuration.read(path).node.state == tmp_path / "state"
