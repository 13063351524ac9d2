"""Mail: headers, bodies, attachments, character sets; whole mailboxes, and mail that is damaged or hostile."""

import base64
import random
import time
from contextlib import suppress
from email.message import EmailMessage

import pytest

from localrag.documents import eml_reader
from localrag.documents.raw import RawDocument
from localrag.documents.readers import read_document
from localrag.errors import DocumentError
from localrag.settings import DocumentSettings
from localrag.types import Mark, ParsedDocument

HEAD = "Subject: Plans\nFrom: Ann <ann@example.org>\nTo: Bob\nDate: Fri, 16 Dec 2022 17:04:16 -0500\n"


def mail(text: str = "See you.", subject: str = "Plans") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "Ann <ann@example.org>", "Bob <bob@example.org>"
    message.set_content(text)
    return message


def read(data: bytes | EmailMessage, name: str = "a.eml") -> ParsedDocument:
    return read_document(data if isinstance(data, bytes) else data.as_bytes(), name, DocumentSettings())


def body(data: bytes | EmailMessage) -> str:
    return read(data).text.partition("\n\n")[2]


def test_header_lines_and_text_are_read() -> None:
    document = read(f"{HEAD}X-Secret: 1\n\nSee you\n\n  - there\n".encode())
    assert document.text == f"{HEAD}\nSee you\n\n  - there"
    assert (document.type, document.title, document.marks) == ("eml", "Plans", (Mark(0, "Plans", kind="section"),))


@pytest.mark.parametrize("text", ["Grüße und 한국어", "שלום", "日本語"])
@pytest.mark.parametrize("charset", ["utf-8", "windows-1255", "cp949", "iso-2022-jp", "utf-16", "latin-1", ""])
@pytest.mark.parametrize("way", ["base64", "quoted-printable", "8bit"])
def test_bodies_and_subjects_in_any_character_set(text: str, charset: str, way: str) -> None:
    try:
        data = text.encode(charset or "utf-8")
    except UnicodeEncodeError:
        return
    if way == "8bit" and charset == "utf-16":
        return
    coded = base64.b64encode(data)
    word = b"=?" + (charset or "utf-8").encode() + b"?b?" + coded + b"?="
    escaped = b"".join(b"=%02X" % byte for byte in data)
    held = {"base64": coded, "quoted-printable": escaped, "8bit": data}[way]
    label = f"; charset={charset}" if charset else ""
    head = f"From: a\nContent-Type: text/plain{label}\nContent-Transfer-Encoding: {way}\n".encode()
    document = read(b"Subject: Re: " + word + b"\n" + head + b"\n" + held)
    assert document.title == f"Re: {text}"
    assert document.text.endswith(text)


def test_a_wrong_character_set_is_seen_through() -> None:
    data = "From: a\nSubject: b\nContent-Type: text/plain; charset=us-ascii\n\nGrüße an alle".encode()
    assert body(data) == "Grüße an alle"
    assert body(data.replace(b"us-ascii", b"no-such-set")) == "Grüße an alle"
    assert read("From: Jürgen\nSubject: Grüße\n\nx".encode()).title == "Grüße"


def test_a_subject_in_several_words_is_one_text() -> None:
    words = "=?utf-8?b?7ZWc?=\n =?utf-8?q?=EA=B5=AD?= plain"
    assert read(f"From: a\nSubject: {words}\n\nx".encode()).title == "한국 plain"


def test_the_plain_text_is_preferred_unless_it_is_a_stub() -> None:
    message = mail("Plain words.")
    message.add_alternative("<html><body><h1>Head</h1><p>Rich words.</p></body></html>", subtype="html")
    assert body(message) == "Plain words."
    message = mail("No HTML?")
    message.add_alternative(f"<html><body><h1>Head</h1><p>{'Rich words. ' * 20}</p></body></html>", subtype="html")
    document = read(message)
    assert "Rich words." in document.text
    assert "No HTML?" not in document.text
    assert document.marks[-1].location == "Plans › Head"
    assert document.text[document.marks[-1].start :].startswith("Head")


def test_attachments_are_named_and_their_text_is_read() -> None:
    message = mail()
    message.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="사진.png")
    message.add_attachment("one,two", filename="list.csv")
    document = read(message)
    assert document.text.endswith("See you.\n\nAttachment: 사진.png\n\nAttachment: list.csv\n\none,two")
    assert [mark.location for mark in document.marks] == ["Plans", "Plans › list.csv"]
    assert document.text[document.marks[1].start :].startswith("Attachment: list.csv")


def test_a_forwarded_mail_is_read_under_the_one_that_holds_it() -> None:
    outer = mail("Look:", "Fwd")
    outer.add_attachment(mail("The inner text.", "Inner"))
    document = read(outer)
    assert "Subject: Inner" in document.text
    assert document.text.endswith("The inner text.")
    assert [mark.location for mark in document.marks] == ["Fwd", "Fwd › Inner"]


def test_a_mailbox_is_one_document_with_all_its_messages() -> None:
    start = b"From ann@example.org Fri Dec 16 17:04:16 2022\n"
    second = mail(">From the start\n\nFrom here on: 12:30 it is.", "Second").as_bytes()
    document = read(start + mail().as_bytes() + b"\n" + start + second, "old.mbox")
    assert [mark.location for mark in document.marks] == ["Plans", "Second"]
    assert "From the start" in document.text
    assert "\n\nFrom here on" in document.text
    assert document.title == "old"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
def test_a_mail_saved_in_another_encoding_is_read(encoding: str) -> None:
    assert read(f"{HEAD}Content-Type: text/plain; charset=ascii\n\nRosen für alle".encode(encoding)).text.endswith(
        "Rosen für alle"
    )


def test_lines_that_flow_are_joined() -> None:
    head = "From: a\nSubject: b\nContent-Type: text/plain; format=flowed\n\n"
    assert body(f"{head}One line \nthat goes on.\nAnother.\n-- \nAnn".encode()) == "One line that goes on.\nAnother.\n-- \nAnn"


def test_encrypted_mail_says_so() -> None:
    data = f"{HEAD}Content-Type: application/pkcs7-mime; name=smime.p7m\n\nMIAG".encode()
    assert read(data).note == "The mail is encrypted: only its header lines can be read."
    assert "Attachment: smime.p7m" in read(data).text


def test_a_part_that_is_no_text_is_counted() -> None:
    data = HEAD.encode() + b"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n"
    document = read(data + base64.b64encode(bytes(range(256)) * 4))
    assert document.note == "1 part of the mail could not be decoded."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEAD}\nx", True),
        ("Received: by x\n\tfor y\nSubject: z\n\nx", True),
        ("From 123 Mon Sep 17 00:00:00 2001\nFrom: A\nSubject: [PATCH] x\n\ny", True),
        ("\n\nFrom: a\nTo: b", True),
        ("From: Ann\n\nDear all,\nTo: nobody", False),
        ("Subject: a novel\n\nCall me Ishmael.", False),
        ("From the start it was clear.\nDate: none\nSubject: x\n", False),
        ("Dear all,\nFrom: a\nTo: b\n\nx", False),
        ("From: a\nTo: b\nand then some prose\nwithout any field\n\nx", False),
        ("HTTP/1.1 200 OK\nDate: now\nContent-Type: text/html\n\nx", False),
        ("---\ntitle: x\ndate: 2024\nfrom: a\n---\n\nx", False),
        ("Metadata-Version: 2.1\nName: x\nVersion: 1\n\nx", False),
        ("", False),
    ],
)
def test_mail_is_known_by_its_first_lines(text: str, expected: bool) -> None:
    assert eml_reader.recognises(RawDocument(text.encode(), "a.eml")) is expected
    assert eml_reader.recognises(RawDocument(text.replace("\n", "\r\n").encode(), "a.eml")) is expected


@pytest.mark.parametrize("depth", [60, 3000])
def test_parts_nested_without_end_are_refused(depth: int) -> None:
    layers = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(depth))
    with pytest.raises(DocumentError, match=r"^a\.eml nests its parts .+\.$"):
        read(f"From: a\nSubject: b\n{layers}\nx".encode())


@pytest.mark.parametrize("filler", [";", "; a=b", 'x="', "=?utf-8?q?a?= ", "=?utf-8?q?", "a <a@b.c>, "])
@pytest.mark.parametrize("field", ["Content-Type: text/plain;", "Subject:", "Content-Disposition: inline;", "To:"])
def test_a_header_of_a_megabyte_does_not_hang(field: str, filler: str) -> None:
    began = time.monotonic()
    data = f"From: a\nDate: b\n{field} {filler * (1_000_000 // len(filler))}\n\nThe text."
    assert read(data.encode()).text.endswith("The text.")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: ; charset=",
        "Content-Type: text/plain; charset*=x'y",
        "Content-Type: multipart/mixed",
        "Content-Transfer-Encoding: x-uuencode",
        "Content-Disposition: attachment; filename*=utf-9''%FF",
        "Subject: =?utf-8?b?/?=",
        "Subject: =?nothing?q?=ZZ?= \udcff",
        "To: <<<>>> , ;;; (((",
    ],
)
def test_damaged_headers_are_survived(header: str) -> None:
    data = f"From: a\nTo: b\nMIME-Version: 1.0\n{header}\n\nThe text.\n".encode("utf-8", "surrogateescape")
    assert "The text." in read(data).text


@pytest.mark.parametrize("seed", range(200))
def test_a_mutated_mail_is_read_or_refused_with_one_error(seed: int) -> None:
    chance = random.Random(seed)
    message = mail("Grüße")
    message.add_alternative("<html><body><h1>Head</h1><p>Rich.</p></body></html>", subtype="html")
    message.add_attachment(mail("Inner"))
    message.add_attachment("one,two", filename="список.csv")
    data = bytearray(message.as_bytes())
    for _ in range(chance.randint(1, 40)):
        data[chance.randrange(len(data))] = chance.choice(b'\n\r:;="=?-\xff\0 abc')
    with suppress(DocumentError):
        document = eml_reader.read(RawDocument(bytes(data), "a.eml"))
        document.text.encode()
        assert all(0 <= mark.start <= len(document.text) for mark in document.marks)
