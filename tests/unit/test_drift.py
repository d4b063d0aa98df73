"""How far the knowledge has moved, in words for whoever edits it."""

from pathlib import Path

from bot.corpus import load
from bot.corpus.drift import Learned, check_movement, check_running
from tests.support.small_post import PASSWORD, POST, write

WORDINGS = "- intent: password\n  answers: [{}]\n  ask:\n    en: |-\n      was my password copied\n"


def test_an_edit_is_counted_and_what_it_leaves_without_wordings_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    (folder / "questions").mkdir(parents=True)
    (folder / "questions" / "a.yaml").write_text(WORDINGS.format(PASSWORD))
    before = write(folder, POST)
    before.keep_ids()
    assert "nothing was learned yet" in check_movement(before, Learned.read(tmp_path / "none")).says
    Learned.of(before).write(tmp_path / "learned")
    learned = Learned.read(tmp_path / "learned")
    assert check_movement(before, learned).says.startswith(
        "nowhere; no wording in knowledge/questions leads to 6 passages"
    )
    edited = POST.replace("called the police", "wrote to the police").replace(
        "**Has the supplier been told?**\n\n-   Yes.\n", ""
    )
    with (folder / "questions" / "a.yaml").open("a") as file:
        file.write("      is my password safe\n")
    said = check_movement(write(folder, edited), learned).says
    assert said.startswith(
        "since the desk last learned: 1 passage reworded, 1 passage gone, 1 wording more; run `incident-desk index`"
    )


def test_the_running_desk_says_that_its_files_were_edited(tmp_path: Path) -> None:
    folder = tmp_path / "k"
    running = write(folder, POST)
    running.keep_ids()
    assert check_running(running).good
    write(folder, POST.replace("were not copied", "were copied"))
    told = check_running(running)
    assert not told.good
    assert told.says.startswith("1 passage reworded since the desk started, which it does not use")
    (folder / "notes.yaml").write_text("links: 3\n")
    assert "notes.yaml" in check_running(running).says
    (folder / "notes.yaml").write_text("links: ['https://x.example/p']\n")
    write(folder, POST)
    assert "wordings, notes or replies edited" in check_running(running).says
    assert load(folder).passages == running.passages
