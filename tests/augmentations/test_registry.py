"""Names, specifications and slugs."""

from __future__ import annotations

import contextlib
import keyword
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import augmentations
from augmentations import Augmentation, canonical, check, registry, slug
from augmentations.arguments import hint
from augmentations.specs import short

EIGHT = "crop random-conv grayscale flip rotate cutout cutout-color color-jitter"
MORE = "translate blur noise posterize solarize patch-shuffle overlay compose random-choice"

literals = st.one_of(
    st.booleans(),
    st.none(),
    st.integers(-1000, 1000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.tuples(st.integers(0, 9), st.floats(0, 1)),
)
argument_names = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(
    lambda word: not keyword.iskeyword(word)
)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """The registry's table, put back afterwards."""
    copy = dict(registry._TABLE)
    monkeypatch.setattr(registry, "_TABLE", copy)
    return copy


def test_the_paper_s_arms_come_first_and_in_its_order() -> None:
    assert " ".join(augmentations.PAPER_ARMS) == EIGHT
    assert " ".join(augmentations.names()) == f"{EIGHT} identity {MORE}"


def test_everything_that_is_exported_exists() -> None:
    for name in augmentations.__all__:
        assert getattr(augmentations, name) is not None
        assert name in dir(augmentations)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = augmentations.nonsense


@pytest.mark.parametrize("name", augmentations.names())
def test_a_name_makes_its_augmentation_and_is_its_slug(name: str) -> None:
    aug = augmentations.make(name)
    assert isinstance(aug, Augmentation)
    assert type(aug).__name__ in augmentations.__all__
    assert aug.name == slug(name) == name


def test_make_with_arguments() -> None:
    for aug in (
        augmentations.make("flip(axis='vertical', p=0.25)"),
        augmentations.make("flip", axis="vertical", p=0.25),
        augmentations.make(" flip ( p = 0.25 )", axis="vertical"),
    ):
        assert isinstance(aug, augmentations.RandomFlip)
        assert (aug.axis, aug.p) == ("vertical", 0.25)


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"axis: given in .* and as a keyword; give it once"):
        augmentations.make("flip(axis='vertical')", axis="horizontal")


@pytest.mark.parametrize("call", [augmentations.make, check])
@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ("crpo", "crop"),
        ("Crop", "crop"),
        ("random_conv", "random-conv"),
        ("colorjitter(hue=0.1)", "color-jitter"),
        ("cutoutcolor", "cutout-color"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(call, given: str, nearest: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {nearest!r}") as error:
        call(given)
    assert str(error.value).startswith(f"unknown augmentation {given.partition('(')[0]!r}")
    assert str(error.value).endswith(f"choose from {', '.join(augmentations.names())}")


def test_a_hint_is_only_given_where_it_is_close() -> None:
    assert hint("CRPO", ("Crop", "flip")) == " (did you mean 'Crop'?)"
    for far in ("nope", "", "conv2d-5x5"):
        assert hint(far, ("crop", "normalize", "random-conv")) == ""
    for far in ("drac-vignette", "drac-mixup", "drac_identities-of", "--lr"):
        assert hint(far, ("drac-identity", "drac-flip", "--help")) == ""
    assert hint("drac-rotat", ("drac-rotate",)) == " (did you mean 'drac-rotate'?)"


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ("mylab.vignette.Vignette(2)", "mylab.vignette:Vignette"),
        ("mylab/vignette.py:Vignette", "mylab.vignette:Vignette"),
        ("./mylab/vignette.py", "mylab.vignette:Name"),
        ("mylab:vignette:Vignette", "mylab.vignette:Vignette"),
        ("kornia.RandomGamma", "kornia:RandomGamma"),
        ("/home/vignette.py:Vignette", ""),
        ("../vignette.py:Vignette", ""),
        ("vig nette.Vignette", ""),
    ],
)
def test_a_class_by_its_dotted_name_or_file_is_told_its_place(given: str, place: str) -> None:
    with pytest.raises(ValueError, match="augmentation") as error:
        augmentations.make(given)
    assert (f"(did you mean {place!r}?)" if place else "") in str(error.value)
    assert ("did you mean" in str(error.value)) == bool(place)


@pytest.mark.parametrize("given", ["zzzz", "a.b", "random-conv-2-3-4-5-6-7-8-9"])
def test_names_that_are_like_no_other_are_unknown_too(given: str) -> None:
    with pytest.raises(ValueError, match=r"unknown augmentation .*; choose from crop, random-conv"):
        augmentations.make(given)


def test_unknown_arguments_are_answered_with_the_allowed_ones() -> None:
    message = "unknown argument of crop 'pading' (did you mean 'padding'?); choose from padding"
    with pytest.raises(ValueError, match=re.escape(message)):
        augmentations.make("crop(pading=3)")
    with pytest.raises(ValueError, match="of flip 'size'; choose from axis, p"):
        augmentations.make("flip", size=3)
    with pytest.raises(ValueError, match="of rotate 'p'; there are none to choose from"):
        augmentations.make("rotate(p=0.5)")


@pytest.mark.parametrize(
    "spec",
    [
        *("", " ", "()", "crop(", "crop)", "crop padding=1", "crop\x00", "-crop", "../crop"),
        *("crop/flip", "crop(padding)", "crop(*[1])", "crop(**{'padding': 1})"),
        *("crop(padding=1)(2)", "crop(padding=1)+1", "crop()() or _()", "crop(padding=1+x)"),
        *("crop(padding=1, padding=2)", "crop(padding=__import__('os'))", "crop(padding=1e999)"),
        *("crop(padding={[]: 1})", "crop(padding={1, 2})", "crop(padding=[(), {'a', 'b'}])"),
        "crop(padding='\x00')",
        "crop(padding=" + "(" * 300 + ")" * 300 + ")",
        "crop(padding='" + "x" * 2000 + "')",
    ],
)
def test_malformed_specifications_are_refused(spec: str) -> None:
    for call in (augmentations.make, check, canonical, slug):
        with pytest.raises(ValueError, match="is not a name or name") as error:
            call(spec)
        assert len(str(error.value)) < 400


NO_LITERAL = "is not a number, text, True, False or None, or a tuple, list or dict of them)"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("crop(pad=f())", f"(pad=f() {NO_LITERAL}"),
        ("crop(1, f( 2 ))", f"(f( 2 ) {NO_LITERAL}"),
        ("crop(size=3, pad=(1,\n f( 2 )))", f"(pad=(1, f( 2 )) {NO_LITERAL}"),
        ("crop(pad=nan)", f"(pad=nan {NO_LITERAL}"),
        ("crop(pad=-inf)", f"(pad=-inf {NO_LITERAL}"),
        ("crop(pad=__import__('os'))", f"(pad=__import__('os') {NO_LITERAL}"),
        ("crop(pad=1e400)", "(pad=1e400 is not finite)"),
        ("crop(pad=(1, -1e400))", "(pad=(1, -1e400) is not finite)"),
        ("crop(pad=1e400j)", "(pad=1e400j is not finite)"),
        ("crop(pad=[{1, 2}])", "(pad=[{1, 2}] contains a set, which has no order)"),
        ("crop(pad=", "('(' was never closed)"),
        ("crop(pad=[" + "f, " * 200 + "])", "f, f, f, ... is not a number"),
    ],
)
def test_a_malformed_specification_is_told_in_the_user_s_words(spec: str, said: str) -> None:
    with pytest.raises(ValueError, match="is not a name or name") as error:
        canonical(spec)
    message = str(error.value)
    assert said in message
    for inside in ("object at 0x", "malformed", "<unknown>", "\n"):
        assert inside not in message


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("crop", "crop"),
        (" crop ", "crop"),
        ("crop()", "crop"),
        ("crop( )", "crop"),
        ("flip( axis = 'vertical' )", "flip(axis='vertical')"),
        ('flip(axis="vertical",)', "flip(axis='vertical')"),
        ("flip(p=.50, axis='vertical')", "flip(axis='vertical', p=0.5)"),
        ("crop(\npadding=+1_0)", "crop(padding=10)"),
        ("kornia:Blur(k=(3,3))", "kornia:Blur(k=(3, 3))"),
        ("kornia.augmentation:Blur( (3,3),p=1)", "kornia:Blur((3, 3), p=1)"),
        ("torchvision.transforms.v2:RandomErasing( .5 )", "torchvision:RandomErasing(0.5)"),
        ("flip('vertical', p=.5)", "flip('vertical', p=0.5)"),
    ],
)
def test_canonical(spec: str, expected: str) -> None:
    assert check(spec) == canonical(spec) == canonical(expected) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("flip(axis='vertical')", "flip-axis-vertical"),
        ("flip(p=0.5, axis='vertical')", "flip-axis-vertical-p-0.5"),
        ("cutout-color(color_scale='released')", "cutout-color-color-scale-released"),
        ("crop(padding=8)", "crop-padding-8"),
    ],
)
def test_simple_slugs_are_readable(spec: str, expected: str) -> None:
    assert slug(spec) == expected


def test_slugs_that_would_lose_something_get_a_hash() -> None:
    look_alikes = [
        *("crop(padding=12)", "crop(padding=-12)", "crop(padding='12')", "crop(padding=(1, 2))"),
        *("crop(padding=[1, 2])", "crop(padding='A')", "crop(padding='a')"),
        *("crop(flag=True)", "crop(flag='true')", "kornia:Blur", "kornia:blur"),
    ]
    assert len({slug(spec) for spec in look_alikes}) == len(look_alikes)
    assert re.fullmatch("crop-padding-12-[0-9a-f]{8}", slug("crop(padding=-12)"))


def test_a_class_s_slug_has_no_module_and_only_hashes_look_like_one() -> None:
    assert re.fullmatch("blur-sigma-2-[0-9a-f]{8}", slug("my_package.blur:Blur(sigma=2)"))
    assert slug("a:Blur") != slug("b:Blur")
    assert short(slug("a:Blur")) == "blur"
    assert short("crop-padding-8") == "crop-padding-8"
    assert short(slug("crop(padding=12345678)")) == "crop-padding-12345678"
    assert re.fullmatch("x-[0-9a-f]{8}", slug("a:_"))


def test_long_slugs_are_cut() -> None:
    specs = [f"cutout(min_size=1, placement='{'a' * 70}{last}')" for last in "bc"]
    one, other = map(slug, specs)
    assert len(one) == len(other) == 60
    assert one != other
    assert one.startswith("cutout-min-size-1-placement-aaaa")
    # The same in every process and version: it names folders.
    assert slug("crop(padding=-12)") == "crop-padding-12-0f509005"


@given(arguments=st.dictionaries(argument_names, literals, max_size=4))
def test_specifications_survive_a_round_trip(arguments: dict[str, object]) -> None:
    spec = f"crop({', '.join(f'{key} = {value!r}' for key, value in arguments.items())})"
    assert registry.parse(canonical(spec)) == ("crop", (), arguments)
    assert re.fullmatch(r"[a-z0-9](?:[a-z0-9.-]{0,58}[a-z0-9])?", slug(spec))


@given(
    one=st.dictionaries(argument_names, literals, max_size=2),
    other=st.dictionaries(argument_names, literals, max_size=2),
)
def test_different_specifications_have_different_slugs(
    one: dict[str, object], other: dict[str, object]
) -> None:
    specs = [
        canonical(f"crop({', '.join(f'{k}={v!r}' for k, v in d.items())})") for d in (one, other)
    ]
    assert (slug(specs[0]) == slug(specs[1])) == (specs[0] == specs[1])


@given(st.text(max_size=30))
def test_any_text_is_answered_or_refused_with_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        name = check(text).partition("(")[0]
        assert name in augmentations.names() or ":" in name


class Dim(augmentations.Identity):
    """A user's augmentation with a required argument."""

    name = "dim"

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by


def test_register_a_class(table: dict[str, object]) -> None:
    augmentations.register("dim", Dim)
    augmentations.register("dim", Dim)  # a reloaded module says so twice
    assert augmentations.names()[-1] == "dim"
    dim = augmentations.make("dim(by=0.5)")
    assert isinstance(dim, Dim)
    assert dim.by == 0.5
    with pytest.raises(ValueError, match="'dim': missing a required argument: 'by'"):
        augmentations.make("dim")


def test_register_a_place(table: dict[str, object]) -> None:
    augmentations.register("upside-down", "augmentations.transforms.flip:RandomFlip")
    assert isinstance(augmentations.make("upside-down"), augmentations.RandomFlip)


MALFORMED = ("", "Crop", "my_blur", "a b", "a(b)", "kornia:x", "-a", "a/b")


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        *((name, Dim, "lower-case words joined by '-'") for name in MALFORMED),
        ("crop", Dim, "'crop' exists already: augmentations"),
        ("dim", "dim", "needs a class or 'package"),
    ],
)
def test_register_refuses(
    name: str, what: type[Dim] | str, message: str, table: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match=message):
        augmentations.register(name, what)


def test_make_refuses_what_is_no_augmentation(table: dict[str, object]) -> None:
    augmentations.register("path", "pathlib:Path")
    with pytest.raises(ValueError, match="'path' must be a subclass of Augmentation"):
        augmentations.make("path")
