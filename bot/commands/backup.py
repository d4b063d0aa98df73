"""Implements `backup` and `restore`: copies the whole desk into one file, and restores it from one.

The order of the copy matters, because the desk may run meanwhile. Mails that wait are copied before
the database, so that each is in the copied folder or in the copied database. Sent mails are copied
after it, so that the copy shows which replies were sent and none of them is sent again. After a
restore the desk takes in again what the mailbox has and the database does not, and looks up each
reply before it sends it.
"""

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from bot.app import App
from bot.app.composition import RESTORED
from bot.channels.mail.intake import fault_key, judge_mail
from bot.channels.mail.sandbox import SafeParser
from bot.commands.privacy import RATED, erase_personal_data, find_personal_data, trace_address
from bot.errors import DeskError, InputError
from bot.files import KEY_FILE, close_file, make_private_folder, private_opener
from bot.journal import Journal
from bot.journal.clock import stamp
from bot.journal.migrations import HEAD
from bot.journal.snapshots import (
    add_erasures,
    copy_database,
    has_messages,
    list_addresses,
    read_erasures,
    replace_database,
)
from bot.ports import MailFolder

FORMAT = 1
MANIFEST, DATABASE = "manifest.json", "database"
INCOMING = ("new", *(place.value for place in MailFolder))
KEPT_FILES = (KEY_FILE, RATED)
LEASE_SECONDS = 10.0  # a worker that was silent for longer is dead


def write_backup(app: App, target: Path) -> Iterator[str]:
    """Write a backup to `target` while the desk may run, and yield lines about it.

    InputError when the file exists, MissingError without the tools of PostgreSQL.
    """
    if target.exists():
        raise InputError(f"{target} exists already; name a new file")
    journal = app.journal
    part = target.with_name(f"{target.name}.part")
    files: dict[str, str] = {}
    at = stamp(journal.clock())
    try:
        with open(part, "wb", opener=private_opener) as out:
            _write(app, out, at, files)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(target)
    counts = journal.count_rows()
    yield f"{target}: {len(files)} files, {target.stat().st_size // 1024} kB"
    yield f"{counts['message']} messages, {counts['escalation']} cases, {counts['outbox']} mails"
    yield "It holds personal data and keys: keep it closed, and delete it when it is too old"


def restore_backup(app: App, source: Path, *, replace: bool) -> Iterator[str]:
    """Restore the desk in this home from a backup, and yield lines about it.

    InputError when the file is damaged or of another kind of database. DeskError when a desk runs
    on the database, or when it holds messages already and `replace` is False.
    """
    with TemporaryDirectory(prefix="desk-") as work, app.jobs.exclusively():
        journal = app.journal
        if app.jobs.shared and set(journal.workers.list_all()) - set(
            journal.workers.list_silent(LEASE_SECONDS)
        ):
            raise DeskError("a desk works on this database; stop it first")
        manifest = _unpacked(source, Path(work))
        if manifest["database"] != journal.engine.dialect.name:
            raise InputError(
                f"{source} is of {manifest['database']}; set DESK_DATABASE_URL to such a one"
            )
        if has_messages(journal.engine) and not replace:
            raise DeskError(
                "there are messages here already; --replace puts the backup in their place"
            )
        receipts = read_erasures(journal.engine)
        for name in manifest["files"]:
            if name != DATABASE:
                _put(Path(work) / name, app.settings.home / name)
        replace_database(journal.engine, Path(work) / DATABASE)
        migrated = Journal(app.settings.database, limits=app.limits)
        add_erasures(migrated.engine, receipts)
        migrated.append_audit(RESTORED)
        migrated.close()
        yield f"restored the desk of {manifest['at']}, version {manifest['version']}"
        yield f"{_erase_again(app)} people were erased again"
        yield f"{_put_back(app, datetime.fromisoformat(manifest['at']))} mails are taken in again"
        yield "start the desk: it looks up each reply before it sends it"


def _write(app: App, out: BinaryIO, at: str, files: dict[str, str]) -> None:
    """Write the archive and fill `files` with the hash of each file in it."""
    home = app.settings.home
    with (
        TemporaryDirectory(prefix="desk-") as work,
        tarfile.open(fileobj=out, mode="w:gz") as archive,
    ):
        for name in INCOMING:
            _add_folder(archive, home / "mail" / name, home, files)
        copy = Path(work) / DATABASE
        copy_database(app.journal.engine, copy)
        _add(archive, copy, DATABASE, files)
        _add_folder(archive, home / "mail" / "sent", home, files)
        for name in KEPT_FILES:
            _add(archive, home / name, name, files)
        manifest = Path(work) / MANIFEST
        manifest.write_text(json.dumps(_manifest(app, at, files)), encoding="utf-8")
        archive.add(manifest, MANIFEST)


def _manifest(app: App, at: str, files: dict[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT, "at": at, "version": metadata.version("incident-desk"), "schema": HEAD,
        "database": app.journal.engine.dialect.name, "files": files,
    }  # fmt: skip


def _add_folder(archive: tarfile.TarFile, folder: Path, home: Path, files: dict[str, str]) -> None:
    """Add the files of a folder; a mail that is moved meanwhile is copied from its next folder."""
    for path in sorted(folder.rglob("*")) if folder.exists() else ():
        if path.is_file() and path.parent.name != "tmp":
            _add(archive, path, str(path.relative_to(home)), files)


def _add(archive: tarfile.TarFile, path: Path, name: str, files: dict[str, str]) -> None:
    """Add a file as long as it is now; the desk may append to it meanwhile."""
    try:
        with path.open("rb") as file:
            entry = archive.gettarinfo(arcname=name, fileobj=file)
            copied = _Copied(file)
            archive.addfile(entry, copied)
    except FileNotFoundError:
        return
    files[name] = copied.digest.hexdigest()


class _Copied:
    """A file whose bytes are hashed as they are copied, so that both are the same."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return up to `size` bytes."""
        content = self._file.read(size)
        self.digest.update(content)
        return content


def _unpacked(source: Path, work: Path) -> dict[str, Any]:
    """Unpack a backup into `work` and return its manifest; InputError for a damaged one."""
    try:
        with tarfile.open(source) as archive:
            _unpack_files(archive, work)
        manifest: dict[str, Any] = json.loads((work / MANIFEST).read_text(encoding="utf-8"))
        wrong = [
            name for name, digest in manifest["files"].items() if _digest(work / name) != digest
        ]
    except FileNotFoundError:
        raise InputError(
            f"{source} is damaged: a file in it is missing"
            if source.exists()
            else f"there is no file {source}"
        ) from None
    except (tarfile.TarError, EOFError, ValueError, KeyError) as error:
        raise InputError(
            f"{source} is no backup that can be read ({type(error).__name__})"
        ) from None
    if wrong:
        raise InputError(f"{source} is damaged: {wrong[0]}")
    if manifest["format"] != FORMAT or manifest["schema"] > HEAD:
        raise InputError(
            f"{source} was made by version {manifest['version']}; install that or a newer one"
        )
    return manifest


def _unpack_files(archive: tarfile.TarFile, folder: Path) -> None:
    """Write the files of an archive below `folder`, with their times and their owner's rights.

    TarError for a link, a device, or a file that would lie elsewhere. Python before 3.11.4, which
    distributions still ship, has no filter for `extractall`.
    """
    for entry in archive:
        if entry.isdir():
            continue
        path = folder / entry.name
        content = archive.extractfile(entry) if entry.isfile() else None
        if content is None or not path.resolve().is_relative_to(folder.resolve()):
            raise tarfile.TarError(f"{entry.name} is no file of a backup")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file)
        path.chmod(entry.mode & 0o755 | 0o600)
        os.utime(path, (entry.mtime, entry.mtime))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _put(source: Path, target: Path) -> None:
    """Replace one file of the home by that of the backup; files with other names stay."""
    make_private_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    close_file(part)
    part.write_bytes(source.read_bytes())
    part.replace(target)


def _erase_again(app: App) -> int:
    """Erase again the people whose erased data the backup brought back; return how many."""
    erased = {receipt["person"] for receipt in read_erasures(app.journal.engine)}
    key = app.read_installation_key()  # of the backup
    back = [
        address
        for address in sorted(list_addresses(app.journal.engine))
        if "@" in address and trace_address(key, address) in erased
    ]
    for address in back:
        with app.mail.archives() as archives:
            erase_personal_data(app, find_personal_data(app, archives, [address]))
    return len(back)


def _put_back(app: App, at: datetime) -> int:
    """Move mails that the database does not know back to where mails wait, and return how many.

    `at` is when the backup began. Mails of one day before it are included, because clocks and time
    zones differ.
    """
    count, since, parser = 0, at - timedelta(days=1), SafeParser()
    with closing(parser), app.mail.archives() as archives:
        for archive in archives:
            for mail in list(archive.list_settled(since)):
                # The key depends on who sent the mail, so the mail is read as at its intake.
                keys = (
                    judge_mail(mail.raw, parser, app.mail_policy).stored_key,
                    fault_key(mail.raw),
                )
                if not any(map(app.journal.find_by_key, keys)):
                    archive.put_back(mail.ref)
                    count += 1
    return count
