"""What a study file may say, and how its faults are told."""

import pytest

from analysis.gather import gather
from analysis.study import read_study
from task.contract.errors import AnalysisError, FileError

FOREIGN = """schema = 1
name = "theirs"
[sessions]
table = "sessions.csv"
name = "{id}"
subject = "{patient}"
events = "{id}/eventsRaw.mat"
units = "{id}"
[codes]
image_on = 1
[[run]]
name = "view"
log = "{id}/log.txt"
images = ["order.csv:{order[variant]}"]
[names.order]
1 = "first"
[features]
file = "features.csv"
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "sessions.csv").write_text("id,patient,variant\ns2,P2,1\ns1,P1,2\n")
    (tmp_path / "features.csv").write_text("id,f1,f2\na,1,2\nb,2,1\n")

    def make(text):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return make


def refusal(path):
    with pytest.raises(FileError) as refused:
        read_study(path)
    return str(refused.value)


def test_a_study_of_nothing_is_refused(write):
    path = write('schema = 1\nname = "x"\n')
    assert refusal(path) == (
        f"{path}: say what is analysed: [[session]] entries or a [sessions] table"
    )


def test_every_folder_that_is_missing_is_named_with_its_line(write, tmp_path):
    path = write(
        'schema = 1\nname = "x"\nstimuli = "."\n[[session]]\nlog = "am"\nrecording = "rec"\n'
        '[[session]]\nlog = "sessions.csv"\nrecording = "pm"\n'
    )
    assert refusal(path).splitlines() == [
        f"{path}:5: session[1].log: {tmp_path / 'am'} is not there",
        f"{path}:6: session[1].recording: {tmp_path / 'rec'} is not there",
        f"{path}:9: session[2].recording: {tmp_path / 'pm'} is not there",
    ]


def test_an_onset_without_a_code_is_refused(write):
    path = write(FOREIGN.replace('name = "view"', 'name = "view"\nonset = "picture"'))
    assert refusal(path) == f"{path}:13: run[1].onset: no code 'picture'; known: image_on"


def test_templates_take_columns_and_lookups(write):
    file = read_study(write(FOREIGN))
    row = file.rows()[0]
    assert file.fill(("sessions", "events"), "{id}/x", row) == "s2/x"
    assert file.fill(("run", 0, "images"), "order.csv:{order[variant]}", row) == "order.csv:first"


def test_a_template_with_an_unknown_column_names_those_there_are(write):
    path = write(FOREIGN.replace('subject = "{patient}"', 'subject = "{person}"'))
    file = read_study(path)
    with pytest.raises(FileError) as refused:
        file.fill(("sessions", "subject"), "{person}", file.rows()[0])
    assert str(refused.value) == (
        f"{path}:6: sessions.subject: no column 'person'; the row has id, patient, variant"
    )


def test_a_lookup_without_the_entry_is_refused(write):
    path = write(FOREIGN)
    file = read_study(path)
    with pytest.raises(FileError) as refused:
        file.fill(("run", 0, "images"), "{order[variant]}", file.rows()[1])
    assert str(refused.value) == f"{path}:14: run[1].images: [names.order] has no entry '2'"


def test_sessions_that_are_not_here_are_listed(write, tmp_path):
    with pytest.raises(AnalysisError) as refused:
        gather(read_study(write(FOREIGN)))
    lines = str(refused.value).splitlines()
    assert lines[0] == f"no session of {tmp_path / 'study.toml'} could be used:"
    assert lines[1] == f"s2: not here: {tmp_path / 's2/eventsRaw.mat'}, {tmp_path / 's2'}"
    assert len(lines) == 3


def test_two_sessions_of_one_name_are_refused(write):
    path = write(FOREIGN.replace('name = "{id}"', 'name = "same"'))
    with pytest.raises(FileError) as refused:
        gather(read_study(path))
    assert str(refused.value) == f"{path}:5: sessions.name: two sessions are called 'same'"
