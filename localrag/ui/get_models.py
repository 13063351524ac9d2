"""Getting a model: the catalogue, any other address, and how the downloads go."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from localrag.engine import Engine
from localrag.models.download_jobs import DownloadJob, DownloadView
from localrag.models.memory import available_memory, format_bytes
from localrag.models.model_download import Downloaded
from localrag.models.offers import Offer, offers
from localrag.ui import sliders, state
from localrag.ui.errors import show_errors
from localrag.ui.ingest import duration
from localrag.ui.markup import plain

POLL_S = 0.5


def get_models(engine: Engine) -> None:
    """Draw downloads at work, those that ended, a field for an address, and the catalogue."""
    jobs = engine.downloads.jobs
    if any(not job.finished for job in jobs):
        _working(engine, [job.key for job in jobs if not job.finished])
    for job in reversed(jobs):
        if job.finished:
            _outcome(engine, job.key, job.snapshot())
    _address(engine)
    free, at_work = available_memory(), {job.name for job in jobs if not job.finished}
    st.caption(
        f"{format_bytes(free)} of memory are free now. Only what you download is asked for, from the host that has it; "
        "nothing of your documents is sent."
    )
    for offer in offers():
        _offer(engine, offer, free, offer.file in at_work)


@st.fragment(run_every=POLL_S)
def _working(engine: Engine, drawn: list[str]) -> None:
    """Draw running and waiting downloads; the page is drawn anew when one of them ends."""
    jobs = [job for job in engine.downloads.jobs if not job.finished]
    if [job.key for job in jobs] != drawn:
        st.rerun()
    for job in jobs:
        _job(job, job.snapshot())


def _job(job: DownloadJob, view: DownloadView) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if view.state == "queued":
            st.caption(f":material/schedule: {plain(view.name)} waits for the downloads before it", width="stretch")
        else:
            st.progress(view.share, text=line(view))
        st.button(
            "Cancel",
            key=f"cancel_{job.key}",
            icon=":material/close:",
            type="tertiary" if view.state == "queued" else "secondary",
            on_click=job.cancel,
            help="What was fetched is kept; the next download goes on from there.",
        )


def line(view: DownloadView) -> str:
    """Where a download stands: the file, how much is there, how fast it comes, and how long it will take."""
    name = plain(view.name)
    if view.state == "waiting" or (view.note and not view.total):
        return f"{name} · {plain(view.note)}"
    if view.state == "connecting":
        return f"{name} · asking for it"
    so_far = format_bytes(view.done) + (f" of {format_bytes(view.total)}" if view.total else "")
    if view.state == "checking":
        return f"{name} · checking the {so_far} that are there"
    parts = [name, so_far]
    if view.rate:
        parts.append(f"{format_bytes(round(view.rate))}/s")
    if view.left_s is not None:
        parts.append(f"about {duration(view.left_s)} left")
    return " · ".join(parts)


def _outcome(engine: Engine, key: str, view: DownloadView) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if view.result is not None:
            _done(engine, key, view.result)
        elif view.state == "cancelled":
            st.caption(f":material/cancel: {plain(view.error)}", width="stretch")
        else:
            st.error(plain(view.error), icon=":material/error:")
        st.button("Close", key=f"close_{key}", type="tertiary", on_click=engine.downloads.dismiss, args=(key,))


def _done(engine: Engine, key: str, done: Downloaded) -> None:
    what = "was there already" if done.already else f"is there, {format_bytes(done.bytes)}"
    kind = next((entry.kind for entry in engine.models() if entry.path == done.path), "other")
    more = " Name it as embedding_path to have documents embedded with it." if kind == "embedding" else ""
    st.caption(
        f":material/check: {plain(done.path.name)} {what}. Checked against {plain(done.checked_against)}. "
        f"{plain(done.note)}{plain(more)}",
        width="stretch",
        help=f"SHA-256 {done.sha256}",
    )
    if kind == "chat":
        st.button("Use it", key=f"use_{key}", icon=":material/play_arrow:", on_click=_use, args=(engine, done.path))


def _use(engine: Engine, path: Path) -> None:
    with show_errors():
        runs_files = engine.settings.model.llm in ("llamacpp", "gpt4all", "fake")
        engine.apply({"model_path": path} if runs_files else {"model_path": path, "llm": "llamacpp"})
        sliders.start_sliders(None)
        state.notify(f"{path.name} is being loaded.")


def _address(engine: Engine) -> None:
    with st.form("model_address", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            address = st.text_input(
                "Address of a model file",
                placeholder="https://huggingface.co/Qwen/Qwen3-4B-GGUF/resolve/main/Qwen3-4B-Q4_K_M.gguf",
                help="A .gguf or .llamafile on any host. A model that Hugging Face gives only to those who accepted its "
                "licence needs a token in the variable HF_TOKEN.",
            )
            sha256 = st.text_input(
                "SHA-256", placeholder="optional", width=180, help="Without it, what the host states is used, where it does."
            )
            wanted = st.form_submit_button("Download", icon=":material/download:")
        if wanted:
            with show_errors():
                engine.downloads.start(address, sha256)
                st.rerun()


def _offer(engine: Engine, offer: Offer, free: int, at_work: bool) -> None:
    there = (engine.settings.models_dir / offer.file).exists()
    fits = "" if offer.need <= free else " :orange[:material/warning: more than is free now]"
    kind = "embeds documents" if offer.kind == "embedding" else "answers"
    checked = "" if offer.sha256 or offer.starter else " · checksum as stated by the host"
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"**{plain(offer.title)}** · {kind} · {plain(offer.good_for)}")
            st.caption(
                f"{format_bytes(offer.bytes)} · needs {format_bytes(offer.need)} of memory{fits} · {plain(offer.licence)}"
                f" · {plain(offer.languages)} · {plain(offer.parameters)} parameters · {plain(offer.quantisation)}"
                f" · context {offer.n_ctx_train:,}{checked}"
            )
        st.button(
            "There already" if there else "Download",
            key=f"offer_{offer.name}",
            icon=":material/check:" if there else ":material/download:",
            disabled=there or at_work,
            on_click=_start_offer,
            args=(engine, offer.name),
            type="tertiary" if there else "secondary",
            help=f"The {offer.title} model",
        )


def _start_offer(engine: Engine, name: str) -> None:
    with show_errors():
        engine.downloads.start_offer(name)
