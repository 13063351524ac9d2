"""The language of a text, by its script and by its words, and what to say when a model was not trained on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from localrag.documents.language import NAMES, SAMPLE_CHARS, advice, detect_language, understands

TEXTS = {
    "en": "The lamp stands on the shelf beside the window, and nobody has filled it with oil since the winter.",
    "de": "Die Lampe steht auf dem Regal neben dem Fenster, und seit dem Winter hat niemand mehr Öl nachgefüllt.",
    "fr": "La lampe est posée sur l'étagère près de la fenêtre, et personne ne l'a remplie depuis l'hiver dernier.",
    "es": "La lámpara está en el estante junto a la ventana y nadie la ha llenado de aceite desde el invierno pasado.",
    "pt": "A lâmpada está na prateleira ao lado da janela e ninguém a encheu de óleo desde o inverno passado, disse ele.",
    "it": "La lampada si trova sullo scaffale accanto alla finestra e nessuno l'ha più riempita d'olio dall'inverno.",
    "nl": "De lamp staat op de plank naast het raam en sinds de winter heeft niemand er nog olie in gedaan, zei zij.",
    "pl": "Lampa stoi na półce obok okna i od zimy nikt nie dolał do niej oleju, chociaż wszyscy o tym wiedzieli.",
    "cs": "Lampa stojí na polici vedle okna a od zimy do ní nikdo nedolil olej, přestože o tom všichni dobře věděli.",
    "sv": "Lampan står på hyllan bredvid fönstret och ingen har fyllt på olja sedan i vintras, fast alla visste om det.",
    "fi": "Lamppu seisoo hyllyllä ikkunan vieressä, eikä kukaan ole lisännyt siihen öljyä viime talven jälkeen.",
    "tr": "Lamba pencerenin yanındaki rafta duruyor ve kıştan beri hiç kimse içine yağ koymadı, oysa herkes biliyordu.",
    "hu": "A lámpa az ablak melletti polcon áll, és a tél óta senki sem töltött bele olajat, pedig mindenki tudta.",
    "vi": "Chiếc đèn đặt trên kệ cạnh cửa sổ và từ mùa đông đến nay chưa có ai đổ thêm dầu vào đó cả.",
    "id": "Lampu itu berdiri di rak di samping jendela dan tidak ada yang mengisinya dengan minyak sejak tahun lalu.",
    "ru": "Лампа стоит на полке возле окна, и с самой зимы никто не наливал в неё масла, хотя все об этом знали.",
    "uk": "Лампа стоїть на полиці біля вікна, і від зими ніхто не доливав до неї олії, хоча всі про це знали.",
    "ar": "المصباح موضوع على الرف بجانب النافذة، ولم يملأه أحد بالزيت منذ الشتاء الماضي رغم أن الجميع يعرف ذلك.",
    "fa": "چراغ روی قفسه کنار پنجره است و از زمستان گذشته هیچ‌کس در آن روغن نریخته است، هرچند همه می‌دانستند.",
    "hi": "दीपक खिड़की के पास वाली अलमारी पर रखा है और सर्दियों के बाद से किसी ने उसमें तेल नहीं डाला है।",
    "he": "המנורה עומדת על המדף ליד החלון.",
    "el": "Η λάμπα στέκεται στο ράφι.",
    "th": "ตะเกียงวางอยู่บนชั้นข้างหน้าต่าง",
    "ko": "등잔은 창가 선반 위에 있다.",
    "ja": "ランプは窓のそばの棚にあります。",
    "zh": "灯放在窗边的架子上，冬天以来没有人加过油。",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_enough(language: str) -> None:
    assert detect_language(TEXTS[language]) == language
    assert language in NAMES


@pytest.mark.parametrize(
    ("text", "language"),
    [("안녕", "ko"), ("東京です", "ja"), ("カメラ", "ja"), ("ﾗﾝﾌﾟ", "ja"), ("北京", "zh"), ("ตะเกียง", "th"), ("שלום", "he")],
)
def test_a_word_is_enough_where_the_script_says_it(text: str, language: str) -> None:
    assert detect_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n",
        "Lamp",
        "Hello there",
        "42",
        "1.234,56 € + 7 % = 12",
        "https://example.org/the/lamp/stands/on/the/shelf",
        "字",
        "\x00\ufffd",
    ],
)
def test_too_little_is_no_language(text: str) -> None:
    assert detect_language(text) == ""


def test_numbers_and_letters_without_words_are_no_language() -> None:
    assert detect_language("xq zzkt qpw vrrg jjxk wqpz kkvt zzqx pqrw vvkj " * 3) == ""


def test_terms_of_another_language_do_not_hide_the_text() -> None:
    assert detect_language("이 문서는 RAG pipeline 과 embedding model 을 설명한다. GPU 없이 실행할 수 있다.") == "ko"
    assert detect_language("RAG の仕組みは LLM に必要な文書を読ませることです。") == "ja"
    assert detect_language(TEXTS["en"] + " The word is 灯 in Chinese.") == "en"


def test_the_middle_and_the_end_count_too() -> None:
    """A document whose first pages are in another language than the rest."""
    assert detect_language(TEXTS["en"] * 10 + TEXTS["es"] * 400) == "es"
    assert detect_language(TEXTS["en"] * 60 + TEXTS["ko"] * 2000) == "ko"


def test_addresses_are_of_no_language() -> None:
    address = "https://example.org/the/lamp/stands/on/the/shelf/beside/the/window "
    assert detect_language(address * 20 + TEXTS["de"]) == "de"


def test_length_costs_nothing() -> None:
    """Only a sample is looked at, so what lies between its three places changes nothing."""
    text = TEXTS["fr"] * 10_000
    third = len(text) // 3
    assert detect_language(text[:third] + TEXTS["ru"] * 10 + text[third:]) == "fr"
    assert len(text) > 100 * SAMPLE_CHARS


def test_the_model_is_loaded_only_when_words_must_decide() -> None:
    code = (
        "import sys; from localrag.documents.language import detect_language as d;"
        "assert d('안녕하세요') == 'ko' and d('Lamp') == '' and 'py3langid' not in sys.modules;"
        f"assert d({TEXTS['de']!r}) == 'de' and 'py3langid' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_doubt_is_raised_only_where_both_sides_are_known() -> None:
    english = frozenset({"en"})
    assert understands(english, "en")
    assert not understands(english, "ko")
    assert understands(english, "")
    assert understands(None, "ko")
    assert understands(frozenset({"zh", "en"}), "zh")


def test_the_advice_names_the_model_the_language_and_what_to_do() -> None:
    said = advice("all-MiniLM-L6-v2", "ko", frozenset({"en"}))
    assert said.startswith("all-MiniLM-L6-v2 knows English only and this text is Korean: questions may miss it; choose ")
    assert "multilingual-e5" in said
    assert "\n" not in said
    assert "knows Chinese and English only" in advice("bge-large-zh", "de", frozenset({"zh", "en"}))
    assert "this text is Korean" in advice("x", "ko")
