"""The groups of settings, each with its bounds and meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

CacheType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0"]


class Group(BaseModel):
    """A frozen group of settings. Field names are unique over all groups, so a flat name finds its field."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ModelSettings(Group):
    """What takes effect when the model is loaded."""

    llm: Literal["llamacpp", "gpt4all", "llamafile", "server", "fake"] = Field(
        "llamacpp",
        description="What runs the chat model: llama.cpp or GPT4All in this process, a llamafile, or a server that is there",
    )
    model_path: Path | None = Field(None, description="The chat model, a GGUF file; the starter model when empty")
    n_gpu_layers: int = Field(0, ge=-1, le=1000, description="Layers on the GPU; -1 all, 0 CPU only")
    n_batch: int = Field(
        512, ge=1, le=8192, description="Prompt tokens evaluated per step; more is faster until memory runs out"
    )
    n_ctx: int = Field(4096, ge=0, le=1_048_576, description="Context window in tokens; 0 takes the model's own")
    n_threads: int = Field(0, ge=0, le=256, description="Threads; 0 takes every core this process may use")
    flash_attn: bool = Field(
        False, description="Flash attention: less memory, faster on a GPU; on a CPU, slower answers and far slower follow-ups"
    )
    n_ubatch: int = Field(
        256,
        ge=1,
        le=8192,
        description="Prompt tokens computed at once, up to n_batch; more needs more memory for the compute buffers",
    )
    cache_type: CacheType = Field(
        "f16", description="Numbers of the KV cache: q8_0 halves its memory for little, q4_0 quarters it and costs quality"
    )
    use_mmap: bool = Field(
        False,
        description="Map the file instead of reading it: loads at once, shares memory; a file written over then ends the app",
    )
    use_mlock: bool = Field(False, description="Keep the weights in memory for good: never swapped out, no memory for others")
    rope_scaling: Literal["model", "none", "linear", "yarn"] = Field(
        "model", description="How positions beyond the trained context are reached; `model` leaves it to the file"
    )
    rope_freq_base: float = Field(0.0, ge=0.0, le=1e9, description="Base frequency of the positions; 0 takes the file's own")
    rope_freq_scale: float = Field(
        0.0, ge=0.0, le=10.0, description="Positions are multiplied by this: 0.5 doubles the reach; 0 takes the file's own"
    )
    kept_memory_mb: int = Field(
        128, ge=0, le=1_000_000, description="Memory for conversations already evaluated, so that going back to one is instant"
    )
    kept_disk_mb: int = Field(
        1000,
        ge=0,
        le=10_000_000,
        description="Disk space for such conversations, which outlive a restart; 0 keeps none on disk",
    )
    gpt4all_device: str = Field("cpu", description="Where GPT4All computes: cpu, gpu, cuda, kompute, or the name of a device")
    chat_server: str = Field(
        "",
        description="Address of an OpenAI-compatible server that answers, e.g. http://127.0.0.1:8080/v1; it reads every prompt",
    )
    chat_model: str = Field("", description="The server's name of its chat model; the first it lists when empty")
    chat_api_key: SecretStr | None = Field(
        None, description="Key for the chat server; best as a variable, the app never writes it down"
    )
    chat_timeout_s: float = Field(
        60.0, gt=0.0, le=3600.0, description="Seconds without a sign of life after which the chat server counts as gone"
    )

    def window(self, n_ctx_train: int) -> int:
        """Tokens of the context window of a model trained on so many (0: not known): never more, unless RoPE is stretched."""
        wanted = self.n_ctx or n_ctx_train
        stretched = self.rope_scaling in ("linear", "yarn") or self.rope_freq_scale > 0 or self.rope_freq_base > 0
        return wanted if stretched or not n_ctx_train else min(wanted, n_ctx_train)

    @model_validator(mode="after")
    def _possible(self) -> ModelSettings:
        if self.cache_type not in ("f32", "f16", "bf16") and not self.flash_attn:
            raise ValueError(f"cache_type {self.cache_type} needs flash attention: turn flash_attn on, or take f16")
        return self


class AnswerSettings(Group):
    """What takes effect with the next answer."""

    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 always takes the likeliest word; higher varies more")
    top_p: float = Field(0.95, gt=0.0, le=1.0, description="Choose only among the likeliest words that make up this share")
    top_k: int = Field(40, ge=0, le=1000, description="Choose only among this many likeliest words; 0 is no limit")
    min_p: float = Field(0.05, ge=0.0, le=1.0, description="Leave out words less likely than this share of the likeliest")
    repeat_penalty: float = Field(1.1, ge=1.0, le=2.0, description="Makes words of the last 64 tokens less likely; 1 is off")
    max_tokens: int = Field(256, ge=1, le=65_536, description="Longest answer in tokens; this room is kept free in the window")
    seed: int = Field(
        -1, ge=-1, le=2**31 - 1, description="The same seed repeats the same answer; -1 takes a new one each time"
    )
    stop: tuple[str, ...] = Field(
        (), description="Texts that end the answer, beside those of the prompt format; in the environment one, or a JSON list"
    )
    template: str = Field(
        "model",
        min_length=1,
        max_length=60,
        description="The prompt format: `model` is the file's own chat template; plain, a known family, or a template of yours",
    )
    prompt: str = Field(
        "chat",
        min_length=1,
        max_length=120,
        description="How the question is put: `chat` as a conversation, or a LangChain Hub prompt of the library",
    )

    @field_validator("stop", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            listed = json.loads(value)
        except ValueError:
            return (value,)
        return tuple(listed) if isinstance(listed, list) else (value,)


class DocumentSettings(Group):
    """How documents are read, split and embedded."""

    embeddings: Literal["llamacpp", "gpt4all", "server", "fake"] = Field(
        "llamacpp", description="What runs the embedding model"
    )
    embedding_path: Path | None = Field(None, description="The embedding model, a GGUF file; the starter model when empty")
    embedding_workers: int = Field(0, ge=0, le=64, description="Embedding threads while documents go in; 0 takes every core")
    embedding_server: str = Field(
        "", description="Address of an OpenAI-compatible server that embeds, e.g. http://127.0.0.1:8080/v1; it reads every text"
    )
    embedding_model: str = Field("", description="The server's name of its embedding model; the first it lists when empty")
    embedding_api_key: SecretStr | None = Field(
        None, description="Key for the embedding server; best as a variable, the app never writes it down"
    )
    embedding_timeout_s: float = Field(
        60.0, gt=0.0, le=3600.0, description="Seconds one request to the embedding server may take, new attempts included"
    )
    chunk_chars: int = Field(500, ge=50, le=20_000, description="Longest chunk in characters")
    chunk_overlap: int = Field(0, ge=0, le=5_000, description="Characters a chunk repeats of the one before")
    max_document_mb: int = Field(200, ge=1, le=4096, description="Largest file that is read, in MB")
    reader_timeout_s: float = Field(180.0, gt=0.0, le=86_400.0, description="Seconds one document may take to be read")
    reader_memory_mb: int = Field(3000, ge=500, le=1_000_000, description="Memory one document may take to be read, in MB")


class VectorSettings(Group):
    """Where vectors are kept: in the data directory, or on a Chroma server."""

    chroma_url: str = Field(
        "",
        description="Address of a Chroma server for the vectors, e.g. http://127.0.0.1:8000; the data directory when empty",
    )
    chroma_token: SecretStr | None = Field(
        None, description="Token for the Chroma server; best as a variable, the app never writes it down"
    )
    chroma_tenant: str = Field("default_tenant", min_length=3, description="Tenant on the Chroma server; made when missing")
    chroma_database: str = Field("default_database", min_length=3, description="Database of the tenant; made when missing")
    chroma_timeout_s: float = Field(
        60.0, gt=0.0, le=3600.0, description="Seconds one request to the Chroma server may take, new attempts included"
    )

    @field_validator("chroma_url")
    @classmethod
    def _usable(cls, url: str) -> str:
        url = url.strip().rstrip("/")
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
            raise ValueError("should be an http or https address")
        if parts.username or parts.password:
            raise ValueError("should hold no user or password: there is chroma_token")
        return url


class RetrievalSettings(Group):
    """What is looked for, and what is put in front of the model."""

    vector_weight: float = Field(
        0.4, ge=0.0, le=1.0, description="Weight of meaning (vectors) beside words (BM25) in a search; 1 goes by vectors alone"
    )
    read_share: float = Field(
        0.75, ge=0.0, le=1.0, description="The model reads the sentences that score at least this share of the best one"
    )
    least_share: float = Field(
        0.55, ge=0.0, le=1.0, description="Sentences that score at least this share of the best one are shown to you"
    )
    evidence_tokens: int = Field(800, ge=16, le=100_000, description="Most tokens of evidence the model reads")
    evidence_chars: int = Field(4000, ge=100, le=400_000, description="Most characters of evidence that are shown")
    k: int = Field(0, ge=0, le=50, description="Whole passages instead of sentences, this many; 0 takes sentences")
    least_confidence: float = Field(
        0.4, ge=0.0, le=1.0, description="Below this confidence the documents are said to hold no answer, most likely"
    )
    refuse: bool = Field(False, description="Do not answer when the documents most likely hold no answer")
    rewrite: Literal["rule", "model"] = Field(
        "rule",
        description="How a follow-up is made to stand alone for the search: by rule, at once, or by the chat model, which takes"
        " its time before anything is found",
    )
    diversity: float = Field(
        0.0, ge=0.0, le=0.9, description="Prefers what is new over what repeats evidence taken before (MMR); 0 is off"
    )


class WebSettings(Group):
    """Fetching a web address: only when asked. Beside it, only what a server named here is to read leaves this process."""

    allow_private_addresses: bool = Field(False, description="Also fetch from this machine and the local network")
    fetch_timeout_s: float = Field(30.0, gt=0.0, le=600.0, description="Seconds one address may take, redirects included")
    fetch_max_mb: float = Field(20.0, gt=0.0, le=1024.0, description="Largest page that is fetched, in MB")


class PlaceSettings(Group):
    """Where data live and where the app answers."""

    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("localrag", appauthor=False)),
        description="Everything LocalRAG keeps",
    )
    models_dir: Path | None = Field(None, description="Folder of GGUF files; models/ in the data directory when empty")
    host: str = Field("127.0.0.1", description="Address the app answers on")
    port: int = Field(8501, ge=1, le=65_535, description="Port the app answers on")
