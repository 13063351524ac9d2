"""Lab: one question, two settings side by side, no model; and both on many questions."""

import streamlit as st

from localrag.ui.errors import show_errors
from localrag.ui.lab_evaluation import evaluation
from localrag.ui.lab_view import asked, comparison, no_documents
from localrag.ui.page import open_page

st.set_page_config(layout="wide")
engine = open_page()
st.title("Lab", anchor=False)
with show_errors():
    names = [record.name for record in engine.library.collections() if record.chunks]
    if names:
        collection, question = asked(names)
        comparison(engine, collection, question)
        evaluation(engine, collection)
    else:
        no_documents()
