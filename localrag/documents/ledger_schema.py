"""The tables of the ledger."""

VERSION, OLDEST = 4, 3
"""A ledger of the oldest version or later gets the tables it does not have."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS collections (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, embedding TEXT NOT NULL, embedding_name TEXT NOT NULL,
    dimension INTEGER NOT NULL, index_name TEXT NOT NULL, created TEXT NOT NULL);

-- One row for each different content; the id follows from the collection and the SHA-256 of the bytes.
CREATE TABLE IF NOT EXISTS documents (
    id TEXT PRIMARY KEY, collection_id TEXT NOT NULL REFERENCES collections(id) ON DELETE CASCADE, sha256 TEXT NOT NULL,
    type TEXT NOT NULL, title TEXT NOT NULL, description TEXT NOT NULL, language TEXT NOT NULL, reader TEXT NOT NULL,
    splitter TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, note TEXT NOT NULL, pages INTEGER NOT NULL,
    characters INTEGER NOT NULL, chunks INTEGER NOT NULL, added TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS documents_by_collection ON documents (collection_id);

-- The text as it was read, with its marks, so that splitting and embedding anew need no source.
CREATE TABLE IF NOT EXISTS texts (
    document_id TEXT PRIMARY KEY REFERENCES documents(id) ON DELETE CASCADE, marks TEXT NOT NULL, text TEXT NOT NULL);

-- Where documents came from. Several may lead to one document; one that failed leads to none and says why.
CREATE TABLE IF NOT EXISTS sources (
    collection_id TEXT NOT NULL REFERENCES collections(id) ON DELETE CASCADE, source TEXT NOT NULL, name TEXT NOT NULL,
    document_id TEXT REFERENCES documents(id) ON DELETE CASCADE, container TEXT NOT NULL, stamp TEXT NOT NULL,
    checked_ns INTEGER NOT NULL, error TEXT NOT NULL, added TEXT NOT NULL, PRIMARY KEY (collection_id, source));
CREATE INDEX IF NOT EXISTS sources_by_document ON sources (document_id);

CREATE TABLE IF NOT EXISTS chunks (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE, position INTEGER NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL, text TEXT NOT NULL, location TEXT NOT NULL, page INTEGER);
CREATE INDEX IF NOT EXISTS chunks_by_document ON chunks (document_id, position);

-- The terms of each chunk, set apart by spaces (see `words`), under the chunk's number. The tokenizer takes every character
-- that is not ASCII as part of a term, so terms come out as they went in.
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (terms, tokenize = 'ascii');
CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary USING fts5vocab (words, row);
CREATE TRIGGER IF NOT EXISTS words_go_with_chunks AFTER DELETE ON chunks BEGIN
    DELETE FROM words WHERE rowid = old.number; END;

-- The sentences of a chunk: their ranges in it (pairs of 32-bit integers) and their vectors (rows of 8-bit integers).
CREATE TABLE IF NOT EXISTS sentences (
    chunk_id TEXT NOT NULL, index_name TEXT NOT NULL, ranges BLOB NOT NULL, vectors BLOB NOT NULL,
    PRIMARY KEY (chunk_id, index_name)) WITHOUT ROWID;

-- What questions without an answer reach in a collection: see `retrieval.confidence`.
CREATE TABLE IF NOT EXISTS calibrations (
    collection_id TEXT PRIMARY KEY REFERENCES collections(id) ON DELETE CASCADE, index_name TEXT NOT NULL,
    chunks INTEGER NOT NULL, words REAL NOT NULL, cosine REAL NOT NULL);

-- Chunk ids that Chroma may hold and no document has: announced by a write that has not ended, or replaced since.
CREATE TABLE IF NOT EXISTS unfinished (chunk_id TEXT PRIMARY KEY, collection_id TEXT NOT NULL, replaced INTEGER NOT NULL);

-- What was asked to go in and is not in yet, in order, so that it goes on after a restart.
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, collection_id TEXT NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
    total INTEGER NOT NULL, paused INTEGER NOT NULL, started TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pending (
    job_id INTEGER NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, position INTEGER NOT NULL, source TEXT NOT NULL,
    name TEXT NOT NULL, path BLOB, address TEXT, stored BLOB, PRIMARY KEY (job_id, position)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pending_by_source ON pending (source);

-- A collection that is being embedded anew, and into which index.
CREATE TABLE IF NOT EXISTS rebuilds (
    collection_id TEXT PRIMARY KEY REFERENCES collections(id) ON DELETE CASCADE, index_name TEXT NOT NULL,
    embedding TEXT NOT NULL);

-- Folders that are kept in sync; the patterns are lists in JSON, `synced` is when it was last done to the end.
CREATE TABLE IF NOT EXISTS folders (
    collection_id TEXT NOT NULL REFERENCES collections(id) ON DELETE CASCADE, path BLOB NOT NULL, include TEXT NOT NULL,
    exclude TEXT NOT NULL, watched INTEGER NOT NULL, synced TEXT NOT NULL, PRIMARY KEY (collection_id, path));
"""
