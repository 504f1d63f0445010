"""What is said where nobody has chosen a script."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Sequence

import pytest

from antiphon.engines.cascade.llm.offline.brain import host
from antiphon.engines.cascade.llm.offline.grammars import grammar_of
from antiphon.engines.cascade.llm.offline.open_dialogue import OpenDialogue
from antiphon.engines.cascade.llm.offline.paraphrases import load_similarity
from antiphon.engines.cascade.llm.offline.script import Templates
from antiphon.engines.cascade.llm.offline.script_file import parse_script
from antiphon.engines.cascade.llm.offline.situation import Similarity, Surroundings, begin
from antiphon.engines.cascade.llm.offline.words import canon
from antiphon.protocol.session import FunctionTool

NOW = dt.datetime(2026, 5, 6, 14, 30, tzinfo=dt.UTC)
MISSED = "I heard: "


class Guest:
    """Somebody who talks with it, in text."""

    def __init__(
        self,
        *,
        seed: int = 1,
        similarity: Similarity | None = None,
        tools: Sequence[FunctionTool] = (),
    ) -> None:
        self.time = NOW
        self.now = begin(host(), random.Random(seed).randrange)
        self.similarity = similarity
        self.tools = {tool.name: tool for tool in tools}

    @property
    def dialogue(self) -> OpenDialogue:
        around = Surroundings(self.time, self.tools, lambda: "call", similarity=self.similarity)
        return OpenDialogue(host(), around)

    def say(self, text: str) -> str:
        turn = self.dialogue.hear(self.now, text)
        self.now = turn.situation
        return turn.reply


OPENERS = """\
hello
hi there
good morning
who are you
what's your name
are you human
are you a robot
can you hear me?
testing one two three
help
what can you do
tell me a joke
another joke please
tell me a story
what time is it
what's the date
what's the weather like
what is six times ten
how do you spell lighthouse
can you speak slower please
how are you
thank you
do you speak spanish
how many feet are in a mile
set a timer for five minutes
flip a coin
where are you
who made you
are you recording me
sing me a song
what is the meaning of life
goodbye""".splitlines()


def test_its_script_has_no_mistakes() -> None:
    assert host().warnings == ()


@pytest.mark.parametrize("opener", OPENERS)
def test_what_people_say_first_is_answered(opener: str) -> None:
    answer = Guest().say(opener)
    assert answer
    assert not answer.startswith(MISSED)


CURIOUS = [
    ("Hello? Is anyone there?", "hear you"),
    ("Tell me who you are.", "I am Antiphon"),
    ("What kind of thing are you?", "I am Antiphon"),
    ("Are you ChatGPT?", "I am a program"),
    ("I want to talk to a real person.", "I am a program"),
    ("What exactly is Antiphon?", "open voice server"),
    ("How do I connect my app?", "Realtime API"),
    ("How do I get my app to talk to you?", "Realtime API"),
    ("Where is the documentation?", "docs"),
    ("Is this free?", "Apache"),
    ("Who developed you?", "People wrote me"),
    ("Louder!", "volume"),
    ("Slow down please.", "pace"),
    ("Say again?", "I have not said anything yet."),
    ("What time is it in Tokyo?", "here"),
    ("What day is tomorrow?", "Thursday, the seventh of May."),
    ("How many days until Christmas?", "two hundred and thirty three days"),
    ("When is New Year's Eve?", "Thursday, the thirty first of December"),
    ("Ten second timer.", "All right: ten seconds from now."),
    ("Set a timer of ten seconds.", "All right: ten seconds from now."),
    ("Convert 5 miles.", "Into which unit?"),
    ("Multiply twelve by thirteen.", "one hundred and fifty six"),
    ("Add five and seven.", "is twelve."),
    ("What is the square root of nine?", "Try: nine squared."),
    ("Who is the president?", "Ask me for a"),
    ("What do you think of politics?", "Ask me for a"),
    ("Could you sing something for me?", "rhyme"),
    ("Tell me a riddle.", "riddle"),
    ("Let's play a game.", "riddle"),
    ("A shorter story.", "A man phoned his own house"),
    ("Damn it.", "Ask me for|Say help"),
    ("You're an idiot.", "simple thing|language model"),
    ("You're wrong.", "sorry|misheard"),
    ("That's funny.", "another joke"),
    ("That wasn't funny.", "another joke"),
    ("Wow.", "Ask me for|What next"),
    ("Hmm.", "Take your time."),
    ("Really?", "Say|say|Try"),
    ("Why can't you answer?", "no language model"),
    ("Will you marry me?", "I am a program"),
    ("I had a bad day.", "joke|story"),
    ("I'm not feeling well.", "joke|story"),
    ("Good, and you?", "thank you"),
    ("Nice to meet you.", "Nice to meet you, too."),
    ("Pleased to meet you, I'm John.", "Nice to meet you, John."),
    ("Go on.", "."),
    ("I have a question.", "Say|Try|Ask"),
    ("Turn on the lights.", "If your app gives me a function"),
    ("Order me a pizza.", "If your app gives me a function"),
    ("Oh, never mind.", "All right."),
    ("See you tomorrow.", "Goodbye!"),
]
"""What newcomers say, and something of what they should hear."""


@pytest.mark.parametrize(("said", "answer"), CURIOUS)
def test_the_curious_are_answered_with_something_to_go_on(said: str, answer: str) -> None:
    reply = Guest().say(said)
    assert re.search(answer, reply)
    assert not reply.startswith((MISSED, "Did you mean"))


def test_it_spells_the_name_that_it_was_told() -> None:
    guest = Guest()
    assert guest.say("Spell my name.").startswith("You have not told me your name.")
    guest.say("My name is Maria.")
    assert guest.say("Spell my name.") == "M, A, R, I, A."


def test_first_words_are_few_and_say_what_it_is_and_what_to_ask() -> None:
    guest = Guest()
    greeting = guest.dialogue.greet(guest.now).reply
    assert greeting == "Hi, I am the Antiphon demo. Ask me for a joke."
    for said in (greeting, guest.say("hello")):
        assert len(said.split()) <= 11


@pytest.mark.parametrize("index", range(len(host().states["talk"].intents)))
def test_each_of_its_examples_is_understood_as_what_it_stands_for(index: int) -> None:
    intents = host().states["talk"].intents
    guest = Guest()
    for intent, phrase in guest.dialogue.offered(guest.now):
        if intent is not intents[index]:
            continue
        found = guest.dialogue.match(guest.now, phrase.example())
        assert found
        assert found.exact
        # Of several with the same words, one that stands before it may hold now.
        assert found.key is intents[index] or phrase.example() in {
            p.example() for p in found.key.phrases
        }


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("how do you spell lighthouse", "L, I, G, H, T, H, O, U, S, E."),
        ("Can you tell me how to spell cat?", "C, A, T."),
        ("convert ten miles to kilometers", "Ten miles is about sixteen point zero nine"),
        ("how many feet are in a mile", "One mile is five thousand two hundred and eighty feet."),
        ("what is 100 fahrenheit in celsius", "is about thirty seven point seven eight degrees"),
        ("minus 40 degrees celsius in fahrenheit", "Minus forty degrees celsius is minus forty"),
        ("how many minutes are in two and a half hours", "is one hundred and fifty minutes."),
        ("how many inches in a foot", "One foot is twelve inches."),
        ("60 miles per hour in kph", "is about ninety six point five six kilometers per hour."),
        ("what day is the third of june", "That is Wednesday, the third of June."),
        ("how many days until friday", "It is two days until then."),
        ("what is twelve times twelve", "Twelve times twelve is one hundred and forty four."),
        ("what is twelve plus", MISSED),
        ("ten miles in kilograms", MISSED),
        ("start a ten minute timer please", "All right: ten minutes from now."),
        ("say after me good evening", "good evening."),
        ("What is Antiphon?", "Antiphon is an open voice server"),
    ],
)
def test_small_things_that_it_can_do(said: str, answer: str) -> None:
    assert answer in Guest().say(said)


def test_a_timer_runs() -> None:
    guest = Guest()
    assert guest.say("how long is left").startswith("No timer is running.")
    assert guest.say("set a timer for five minutes").startswith("All right: five minutes from now.")
    guest.time += dt.timedelta(minutes=3, seconds=30)
    assert guest.say("how long is left") == "You have one minute and thirty seconds left."
    guest.time += dt.timedelta(minutes=2)
    assert guest.say("is the timer done") == "The time is up."
    assert guest.say("is the timer done").startswith(("No timer", MISSED))
    guest.say("set a timer for thirty seconds")
    assert guest.say("cancel it") == "The timer is off."
    assert guest.say("cancel that").startswith(MISSED)
    guest.say("set a timer for thirty seconds")
    assert guest.say("stop my timer") == "The timer is off."


def test_it_remembers_a_name_for_as_long_as_the_conversation_lasts() -> None:
    guest = Guest()
    assert guest.say("what is my name").startswith("You have not told me yet.")
    assert guest.say("hi, my name is anna maria").startswith("Nice to meet you, Anna Maria.")
    assert guest.say("do you remember my name") == "You told me: Anna Maria."


def test_jokes_take_turns_and_begin_somewhere_else_each_time() -> None:
    guest = Guest()
    jokes = [guest.say("tell me a joke") for _ in range(7)]
    assert len(set(jokes)) == 7
    assert guest.say("another joke") == jokes[0]
    assert len({Guest(seed=seed).say("tell me a joke") for seed in range(12)}) > 3
    assert Guest(seed=5).say("tell me a joke") == Guest(seed=5).say("tell me a joke")


def test_refusals_differ_and_each_offers_something_that_works() -> None:
    guest = Guest()
    refusals = [guest.say("purple elephants swim upstream") for _ in range(5)]
    assert len(set(refusals)) == 5
    assert "I have no language model" in refusals[0]
    assert not any("language model" in refusal for refusal in refusals[1:])
    offers = re.compile(r"\b(joke|help|times ten|story|feet are in a mile)\b")
    assert all(offers.search(refusal) for refusal in refusals)
    again = Guest()
    assert [again.say("purple elephants swim upstream") for _ in range(5)] == refusals


def test_what_was_not_heard_at_all_is_asked_for_again_each_time() -> None:
    guest = Guest()
    answers = [guest.say("") for _ in range(3)]
    assert answers == ["I did not catch that. Ask me for a joke."] * 3


def test_a_long_sentence_is_not_said_back_whole() -> None:
    answer = Guest().say("I was walking along the river " * 5)
    assert answer.startswith("I heard: I was walking along the river I was walking along the river")
    assert "and so on." in answer


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("Wie spät ist es?", "nur Englisch"),
        ("Sprechen Sie Deutsch?", "nur Englisch"),
        ("Hallo", "nur Englisch"),
        ("Quelle heure est-il ?", "l'anglais"),
        ("Bonjour", "l'anglais"),
        ("Cuéntame un chiste.", "Solo hablo"),
        ("Raconte-moi une blague.", "l'anglais"),
        ("¿Qué hora es?", "Solo hablo"),
        ("Hola, ¿cómo estás?", "Solo hablo"),
        ("Che ore sono?", "Parlo solo"),
        ("Que horas são?", "Só falo"),
        ("Hoe laat is het?", "alleen Engels"),
        ("Która jest godzina?", "po angielsku"),
        ("Который час?", "по-английски"),
        ("现在几点了？", "英语"),
        ("今何時ですか", "英語"),
    ],
)
def test_who_speaks_another_language_is_told_in_it(said: str, language: str) -> None:
    assert language in Guest().say(said)


ENGLISH = """\
how do i bake a cake
i need to cancel my subscription
where did i put my keys
what should i cook for dinner
the birch canoe slid on the smooth planks
four hours of steady work faced us
a large size in stockings is hard to sell
who won the world cup in nineteen ninety eight
the captain told the story of the wreck to his men
translate that sentence for me
do not tell me anything
no me
was it you or him
how old is the brooklyn bridge
write a poem about rain
on the other hand we are not so sure
i want to speak with a manager
the weather report said the storms would move east""".splitlines()


@pytest.mark.parametrize("said", ENGLISH)
def test_what_it_does_not_know_it_says_in_english(said: str) -> None:
    assert Guest().say(said).startswith(MISSED)


def test_functions_go_before_its_own_answers_where_these_only_excuse_it() -> None:
    weather = FunctionTool(name="get_weather", description="The weather in a city")
    guest = Guest(tools=[weather])
    turn = guest.dialogue.hear(guest.now, "what's the weather like")
    assert turn.call
    assert turn.call.tool == "get_weather"
    assert "get weather" in guest.say("what can you do")


def test_what_can_be_expected_fits_a_grammar() -> None:
    guest = Guest()
    grammar = grammar_of(guest.dialogue.expected(guest.now))
    assert grammar
    for phrase in ("joke", "hear me", "<sum>", "<conversion>", "<duration>", "goodbye", "a coin"):
        assert phrase in grammar.jsgf


# --- Other words -------------------------------------------------------------


def near(**nearness: float) -> Similarity:
    """A judge that knows how near each example is, by its words joined."""

    def similarity(text: str, others: tuple[str, ...]) -> list[float]:
        return [nearness.get("_".join(canon(other)), 0.0) for other in others]

    return similarity


def test_other_words_for_the_same_are_followed_where_they_are_near() -> None:
    guest = Guest(similarity=near(make_me_laugh=0.8, flip_a_coin=0.5))
    joke = guest.say("please amuse your audience")
    assert joke in {reply.source for reply in _jokes()}


def test_where_it_is_not_sure_it_asks() -> None:
    guest = Guest(similarity=near(make_me_laugh=0.5))
    assert guest.say("please amuse your audience") == "Did you mean: make me laugh?"
    assert guest.say("yes") in {reply.source for reply in _jokes()}
    guest.say("please amuse your audience")
    assert guest.say("no") == "All right, not that. Ask me for a joke."


def test_where_a_word_was_misheard_it_asks() -> None:
    guest = Guest()
    assert guest.say("Can you share me?") == "Did you mean: can you hear me?"
    assert "I hear you" in guest.say("yes")


def test_where_two_are_nearly_as_near_it_asks() -> None:
    guest = Guest(similarity=near(make_me_laugh=0.8, flip_a_coin=0.78))
    assert guest.say("please amuse your audience") == "Did you mean: make me laugh?"


def test_a_guess_is_dropped_as_soon_as_something_else_is_said() -> None:
    guest = Guest(similarity=near(make_me_laugh=0.5))
    guest.say("please amuse your audience")
    guest.similarity = None
    assert guest.say("purple elephants").startswith(MISSED)
    assert guest.say("yes").startswith("Good.")


def test_who_says_a_number_is_not_taken_to_mean_words_without_one() -> None:
    guest = Guest(similarity=near(another_1=0.9))
    assert guest.say("two people").startswith(MISSED)


def test_what_a_function_was_asked_for_comes_before_a_guess() -> None:
    schema = {
        "type": "object",
        "properties": {"digits": {"type": "integer", "minimum": 1000}},
        "required": ["digits"],
    }
    lock = FunctionTool(name="unlock_door", description="", parameters=schema)
    guest = Guest(tools=[lock], similarity=near(another_1=0.9, make_me_laugh=0.9))
    assert guest.say("unlock the door").startswith("For unlock door I need the digits.")
    assert guest.say("two people").startswith("I could not use that.")
    assert guest.say("amuse people") == "Then I leave unlock door for now."


COUNTING = """
[agent]
name = "a waiter"
open = true
greeting = "Hello."
start = "people"
[[intents]]
examples = ["tell me a joke"]
reply = "Ha."
[states.people]
on_enter = "For how many?"
[[states.people.intents]]
examples = ["[for] {people:number 1-9}"]
reply = "For {people}."
"""


def test_a_state_that_waits_for_a_slot_asks_again_rather_than_guess() -> None:
    script = parse_script(COUNTING, source="test")
    around = Surroundings(NOW, {}, lambda: "call", similarity=near(tell_me_a_joke=0.9))
    dialogue, now = OpenDialogue(script, around), begin(script, lambda below: 0)
    assert dialogue.hear(now, "a couple perhaps").reply.endswith("For how many?")
    assert dialogue.hear(now, "two people").reply == "For two."


def test_what_is_far_or_denied_is_not_guessed_at() -> None:
    guest = Guest(similarity=near(make_me_laugh=0.44))
    assert guest.say("please amuse your audience").startswith(MISSED)
    guest = Guest(similarity=near(make_me_laugh=0.9))
    assert guest.say("do not amuse your audience").startswith(MISSED)


def _jokes() -> Templates:
    (intent,) = [
        intent
        for intent in host().states["talk"].intents
        if "make me laugh" in {phrase.source for phrase in intent.phrases}
    ]
    return intent.replies


PARAPHRASES = [
    ("could you entertain me with a joke", "joke"),
    ("got any good jokes", "joke"),
    ("i'd like to listen to a story", "lighthouse|story"),
    ("what's the current time", "two thirty"),
    ("what kind of things can you do for me", "I tell|Ask me for"),
    ("who is the person that created you", "Did you mean: who made you?"),
    ("what is the purpose of life", "Forty two"),
]


@pytest.fixture(scope="module")
def embeddings() -> Similarity:
    found = load_similarity()
    if found is None:
        pytest.skip("the extra 'paraphrases' is not installed")
    return found


@pytest.mark.parametrize(("said", "answer"), PARAPHRASES)
def test_paraphrases_are_understood_with_the_extra(
    said: str, answer: str, embeddings: Similarity
) -> None:
    reply = Guest(similarity=embeddings).say(said)
    assert not reply.startswith(MISSED)
    jokes = "|".join(re.escape(joke.source) for joke in _jokes())
    assert re.search(jokes if answer == "joke" else answer, reply)


@pytest.mark.parametrize("said", ENGLISH)
def test_with_the_extra_nothing_else_is_taken_for_granted(
    said: str, embeddings: Similarity
) -> None:
    assert Guest(similarity=embeddings).say(said).startswith((MISSED, "Did you mean: "))
