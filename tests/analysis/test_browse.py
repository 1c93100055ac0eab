"""Pages of units: as HTML, over real HTTP, in a real browser, and as a folder."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from threading import Thread

import pytest

from analysis import browse, unit_pages
from analysis.browse import PageServer, save_pages
from analysis.unit_figure import FORMATS, picture
from analysis.unit_pages import find_unit, index_page, open_units, shown, unit_page, words
from task import cli
from task.contract.errors import AnalysisError, UserError
from tests.analysis.browser import opened_browser

STARTS = {"html": b"<!DOCTYPE html>", "svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


@pytest.fixture(scope="module")
def units(unit_folder):
    return open_units(unit_folder)


@pytest.fixture(scope="module")
def first(units):
    return next(iter(units.files))


@pytest.fixture(scope="module")
def server(units):
    with PageServer(units, 0) as serving:
        thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def ask(server):
    """What the server answers: status, headers, content."""

    def asked(path, method="GET", key=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        try:
            connection.request(
                method, f"/{server.key if key is None else key}/{path}", headers=headers
            )
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    return asked


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with opened_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


# Pages -------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_every_unit_that_leads_to_its_page(units):
    page = index_page(units)
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page)
    assert links == [(f"units/{units.stem(unit)}.html", unit) for unit in units.files]


def test_the_table_has_what_the_document_says_and_hides_what_matters_less(units, first):
    page = index_page(units)
    row = next(r for r in units.document["viewing"][0]["per_unit"] if r["unit"] == first)
    assert f'data-v="{row["axis_r2"]}">{shown(row["axis_r2"], "axis_r2")}<' in page
    heads = re.findall(r'<th scope="col" class="([^"]*)"[^>]*><button[^>]*>([^<]*)<', page)
    main = [said for kind, said in heads if "more" not in kind]
    assert main[:5] == ["unit", "patient", "area", "mean rate (Hz)", "best picture (Hz)"]
    assert {"r² of left-out pictures", "axis: q"} <= set(main)
    assert {"imagery: takes part: q", "imagery: axis: r"} <= set(main)
    assert "axis: p" in {said for kind, said in heads if "more" in kind}


def test_a_number_that_no_page_knows_is_shown_by_its_own_name(units):
    document = json.loads(json.dumps(units.document))
    document["viewing"][0]["per_unit"][0] |= {"newest_measure_hz": 12.3456, "spread": None}
    page = index_page(unit_pages.Units(units.folder, document, units.files))
    assert "newest measure hz" in page
    assert ">12.35<" in page
    assert "spread" not in page


def test_of_a_unit_in_two_pools_the_better_predicted_is_in_the_table(units, first):
    document = json.loads(json.dumps(units.document))
    again = json.loads(json.dumps(document["viewing"][0]))
    again["per_unit"] = [{**r, "axis_r2": r["axis_r2"] + 0.5} for r in again["per_unit"][:1]]
    document["viewing"].append(again)
    rows = dict(unit_pages._rows(unit_pages.Units(units.folder, document, units.files)))
    better = again["per_unit"][0]
    assert rows[better["unit"]]["viewing"]["axis_r2"] == better["axis_r2"]


def test_a_page_of_a_unit_has_its_numbers_its_items_and_its_neighbours(units):
    names = list(units.files)
    record = units.record(names[1])
    page = unit_page(units, record, picture(record, "svg"))
    assert f'rel="prev" href="{units.stem(names[0])}.html"' in page
    assert f'rel="next" href="{units.stem(names[2])}.html"' in page
    assert all(f'href="{units.stem(names[1])}.{kind}"' in page for kind in FORMATS)
    for item in record["imagery"][0]["items"]:
        assert f'<td class="t">{item}</td>' in page
    assert shown(record["viewing"][0]["numbers"]["axis_r2"], "axis_r2") in page


def test_names_are_text_and_never_markup(units):
    evil = '<script>alert("1")</script>'
    document = json.loads(json.dumps(units.document).replace("a day & <a half>", "x"))
    document["name"] = evil
    document["units"][0]["area"] = evil
    page = index_page(unit_pages.Units(units.folder, document, units.files))
    assert evil not in page
    assert page.count("<script>") == 1


@pytest.mark.parametrize(
    ("value", "key", "said"),
    [
        (None, "x", "–"),
        (True, "tuned", "yes"),
        (1234, "spikes", "1,234"),
        (1234, "cluster", "1234"),
        (0.00391, "axis_p", "0.0039"),
        (0.00391, "p_swap", "0.0039"),
        (-0.1, "r", "−0.10"),
        (0.1234, "axis_r2", "0.123"),
    ],
)
def test_a_value_is_put_as_its_name_says(value, key, said):
    assert shown(value, key) == said


def test_what_has_no_words_of_its_own_goes_by_its_name():
    assert words("subject") == "patient"
    assert words("newest_measure") == "newest measure"


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is not there; give the folder of results that `imagery analyze` made"),
        ("{}", "names no files of units; analyse again with this version"),
        ("[]", "names no files of units; analyse again with this version"),
    ],
)
def test_a_folder_without_units_is_refused(tmp_path, content, said):
    if content is not None:
        (tmp_path / "report.json").write_text(content)
    with pytest.raises(AnalysisError) as refused:
        open_units(tmp_path)
    assert str(refused.value) == f"{tmp_path / 'report.json'} {said}"


def test_a_unit_that_is_not_there_is_refused_with_those_called_alike(units, first):
    label = first.rpartition("/")[2]
    with pytest.raises(UserError) as refused:
        find_unit(units, label)
    said = f"{units.folder}: no tested unit is called {label!r}; did you mean {first!r}"
    assert str(refused.value).startswith(said)
    with pytest.raises(UserError) as refused:
        find_unit(units, "?")
    assert str(refused.value) == f"{units.folder}: no tested unit is called '?'"
    assert find_unit(units, first) == first


def test_a_port_that_is_taken_is_refused(units, server):
    with pytest.raises(UserError) as refused:
        PageServer(units, server.server_port)
    said = f"port {server.server_port} cannot be used: Address already in use"
    assert str(refused.value) == said


# Over HTTP ---------------------------------------------------------------------------------------


def test_the_server_hears_this_machine_alone(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address.startswith(f"http://127.0.0.1:{server.server_port}/")


@pytest.mark.parametrize("path", ["", "index.html", "index.html?x=1"])
def test_the_index_is_served(ask, units, path):
    status, headers, content = ask(path)
    assert (status, content.decode()) == (200, index_page(units))
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("kind", STARTS)
def test_a_unit_is_drawn_when_it_is_asked_for(ask, units, first, kind):
    status, headers, content = ask(f"units/{units.stem(first)}.{kind}")
    assert status == 200
    assert content.startswith(STARTS[kind])
    assert headers["Content-Type"] == browse.KINDS[kind]
    assert int(headers["Content-Length"]) == len(content)


def test_answers_may_do_nothing_but_what_they_are_meant_to(ask):
    _, headers, _ = ask("")
    rules = dict(
        rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";")
    )
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["frame-ancestors"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", rules["script-src"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] == "imagery"


@pytest.mark.parametrize(
    "path",
    [
        "units/none.html",
        "units/",
        "units/../report.json",
        "units/../../report.json",
        "../report.json",
        "report.json",
        "units/%2e%2e/report.json",
        "units/..%2freport.html",
        "units//etc/passwd.html",
        "units/patient_A1_1.json",
        "units/patient_A1_1",
        "tables/units.csv",
    ],
)
def test_nothing_else_is_there_to_be_read(ask, path):
    status, _, content = ask(path)
    assert (status, content) == (404, b"no such page; these units have others\n")


def test_without_the_key_nothing_is_there(ask, server, units, first):
    for key in ("", "x", server.key[:-1], server.key + "x", "%C3%BC"):
        status, _, content = ask(f"units/{units.stem(first)}.html", key=key)
        assert status == 404
        assert content == b"open the address that `imagery browse` printed, with its key\n"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", ""])
def test_a_foreign_name_that_leads_here_reads_nothing(ask, server, host):
    status, _, content = ask("", Host=host.format(port=server.server_port))
    assert (status, content) == (421, b"this server answers to its own name only\n")
    assert ask("", Host=f"localhost:{server.server_port}")[0] == 200


def test_nothing_can_be_changed(ask):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask("", method)[0] == 501


def test_only_the_head_is_sent_where_only_it_is_asked_for(ask, units):
    status, headers, content = ask("", "HEAD")
    assert (status, content) == (200, b"")
    assert int(headers["Content-Length"]) == len(index_page(units).encode())


def test_a_unit_whose_file_is_gone_says_so(unit_folder, tmp_path):
    (tmp_path / "report.json").write_bytes((unit_folder / "report.json").read_bytes())
    emptied = open_units(tmp_path)
    unit = next(iter(emptied.files))
    with PageServer(emptied, 0) as serving:
        thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", serving.server_port, timeout=60)
        connection.request("GET", f"/{serving.key}/units/{emptied.stem(unit)}.html")
        answer = connection.getresponse()
        said = f"{tmp_path / emptied.files[unit]} is not there; analyse again\n"
        assert (answer.status, answer.read().decode()) == (500, said)
        connection.close()
        serving.shutdown()
        thread.join()


# In a browser ------------------------------------------------------------------------------------

NAMES = (
    "[...document.querySelectorAll('tbody tr')].filter(r => !r.hidden)"
    ".map(r => r.cells[0].textContent)"
)
HEAD = "[...document.querySelectorAll('thead button')].find(b => b.textContent === '{}')"


def test_units_are_found_by_what_is_typed(browser, server, units):
    browser.open(server.address)
    assert browser.run(NAMES) == list(units.files)
    _search(browser, "A8 PATIENT")
    found = browser.run(NAMES)
    assert found == [unit for unit in units.files if "A8" in unit] and found
    said = f"{len(found)} of {len(units.files)} units"
    assert browser.run("document.querySelector('output').textContent") == said
    _search(browser, " nothing")
    assert browser.run(NAMES) == []


def test_units_are_sorted_by_a_column_largest_first_and_unknown_last(browser, unit_folder, units):
    document = json.loads(json.dumps(units.document))
    rows = document["viewing"][0]["per_unit"]
    rows[2]["axis_r2"] = None
    with PageServer(unit_pages.Units(unit_folder, document, units.files), 0) as serving:
        thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        browser.open(serving.address)
        browser.click(HEAD.format("r² of left-out pictures"))
        known = sorted((r for r in rows if r["axis_r2"] is not None), key=lambda r: -r["axis_r2"])
        falling = [row["unit"] for row in known]
        assert browser.run(NAMES) == [*falling, rows[2]["unit"]]
        browser.click(HEAD.format("r² of left-out pictures"))
        assert browser.run(NAMES) == [*reversed(falling), rows[2]["unit"]]
        serving.shutdown()
        thread.join()


def test_a_small_q_comes_first_and_names_come_as_people_count(browser, server, units):
    browser.open(server.address)
    browser.click(HEAD.format("axis: q"))
    q = {r["unit"]: r["axis_q"] for r in units.document["viewing"][0]["per_unit"]}
    found = [q[name] for name in browser.run(NAMES)]
    assert found == sorted(found)
    browser.click(HEAD.format("unit"))
    counted = sorted(units.files, key=lambda u: [int(n) for n in re.findall(r"\d+", u)])
    assert browser.run(NAMES) == counted


def test_search_and_order_are_kept_when_one_comes_back(browser, server):
    browser.open(server.address)
    _search(browser, "A")
    browser.click(HEAD.format("mean rate (Hz)"))
    before, address = browser.run(NAMES), browser.run("location.href")
    browser.open(address)
    assert browser.run(NAMES) == before
    assert browser.run("document.querySelector('input[type=search]').value") == "A"


def test_all_columns_are_shown_on_request(browser, server):
    count = "[...document.querySelectorAll('thead th')].filter(h => h.offsetWidth).length"
    browser.open(server.address)
    few = browser.run(count)
    browser.click("document.querySelector('input[type=checkbox]')")
    assert browser.run(count) > few


def test_a_unit_is_opened_its_figure_seen_and_the_arrows_lead_on(browser, server, units):
    names = list(units.files)
    browser.complaints.clear()
    browser.open(server.address)
    browser.click("document.querySelector('tbody a')")
    _wait(browser, f"document.querySelector('h1')?.textContent === '{names[0]}'")
    _wait(browser, "document.images[0]?.naturalWidth > 500")
    browser.press("ArrowRight")
    _wait(browser, f"document.querySelector('h1')?.textContent === '{names[1]}'")
    browser.press("ArrowLeft")
    _wait(browser, f"document.querySelector('h1')?.textContent === '{names[0]}'")
    assert not [said for said in browser.complaints if "Content Security Policy" in said]


def test_nothing_on_a_page_is_wider_than_the_page(browser, server, units, first):
    for path in ("", f"units/{units.stem(first)}.html"):
        browser.open(f"{server.address}{path}")
        assert browser.run("document.documentElement.scrollWidth - innerWidth") <= 0


def _search(browser, text):
    browser.click("document.querySelector('input[type=search]')")
    browser.type(text)


def _wait(browser, script, longest_s=40):
    until = time.monotonic() + longest_s
    while not browser.run(f"Boolean({script})"):
        assert time.monotonic() < until, script
        time.sleep(0.05)


# As a folder -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(unit_folder, tmp_path_factory):
    """The pages of two units, and how far they were said to be."""
    said = []
    document = json.loads((unit_folder / "report.json").read_text("utf-8"))
    document["unit_files"] = dict(list(document["unit_files"].items())[:2])
    few = tmp_path_factory.mktemp("few")
    (few / "report.json").write_text(json.dumps(document), encoding="utf-8")
    shutil.copytree(unit_folder / "units", few / "units")
    out = tmp_path_factory.mktemp("saved")
    index = save_pages(open_units(few), out, lambda *of: said.append(of))
    return index, said


def test_all_pages_and_figures_are_saved(saved, units):
    index, said = saved
    stems = [units.stem(unit) for unit in list(units.files)[:2]]
    files = sorted(f.name for f in (index.parent / "units").iterdir())
    assert files == sorted(f"{stem}.{kind}" for stem in stems for kind in STARTS)
    assert said == [(1, 2), (2, 2)]


def test_saved_figures_are_those_that_are_served(saved, units, first):
    index, _ = saved
    for kind in FORMATS:
        kept = (index.parent / "units" / f"{units.stem(first)}.{kind}").read_bytes()
        assert kept == picture(units.record(first), kind)


def test_saved_pages_open_from_the_disk(browser, saved, units):
    index, _ = saved
    first, second = list(units.files)[:2]
    browser.complaints.clear()
    browser.open(index.as_uri())
    _search(browser, first)
    assert browser.run(NAMES) == [first]
    browser.click("document.querySelector('tbody a')")
    _wait(browser, f"document.querySelector('h1')?.textContent === '{first}'")
    _wait(browser, "document.images[0]?.naturalWidth > 500")
    browser.press("ArrowRight")
    _wait(browser, f"document.querySelector('h1')?.textContent === '{second}'")
    assert not [said for said in browser.complaints if "Content Security Policy" in said]


# Commands ----------------------------------------------------------------------------------------


@pytest.fixture
def imagery(monkeypatch, capsys):
    """Run a command: exit code and what it said on both streams."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["imagery", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def test_a_figure_is_written_by_a_command(imagery, unit_folder, units, first, tmp_path):
    out = tmp_path / "new" / "figure.pdf"
    code, said, _ = imagery("figure", unit_folder, first, "--out", out)
    assert (code, said) == (0, f"figure  {out}\n")
    assert out.read_bytes() == picture(units.record(first), "pdf")


def test_commands_refuse_what_is_not_there_in_one_sentence(imagery, tmp_path, unit_folder, first):
    label = first.rpartition("/")[2]
    code, _, said = imagery("browse", tmp_path)
    assert (code, said.count("\n")) == (2, 1)
    code, _, said = imagery("figure", unit_folder, label, "--out", tmp_path / "a.svg")
    assert (code, said.count("\n")) == (2, 1)
    assert f"did you mean {first!r}" in said
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    code, _, said = imagery("browse", unit_folder, "--save", tmp_path / "full")
    said_so = f"{tmp_path / 'full'} is there already and not empty; give a new folder\n"
    assert (code, said) == (2, said_so)


def _as_from_a_terminal() -> None:
    """Shells have what runs in the background ignore Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(os.name != "posix", reason="signals are sent another way there")
def test_ctrl_c_ends_the_server_cleanly(unit_folder):
    line = [sys.executable, "-m", "task", "browse", str(unit_folder), "--no-open"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONUNBUFFERED": "1"},
                          preexec_fn=_as_from_a_terminal) as process:  # fmt: skip
        assert process.stdout
        address = process.stdout.readline()
        assert re.search(r"8 units at http://127\.0\.0\.1:\d+/[\w-]{20,}/$", address)
        assert process.stdout.readline() == "Ctrl-C ends it\n"
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_the_browser_is_opened_where_there_are_windows(monkeypatch):
    import webbrowser

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    cli._open_browser("a")
    monkeypatch.setenv("DISPLAY", ":0")
    cli._open_browser("b")
    assert opened == ["b"]
