"""`--per-game published`: what DAAC's and IDAAC's numbers were made with, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.store.store import settings
from drac import cli
from drac.commands import train
from drac.config import TrainConfig, as_argv, build
from drac.errors import ConfigError
from drac.games import GAMES
from drac.methods import per_game


def test_the_settings_are_options_of_the_method_within_their_bounds() -> None:
    assert set(per_game.PUBLISHED) < set(GAMES)
    for game in GAMES:
        for method in ("daac", "idaac"):
            config = build({"method": method, "game": game, "per_game": "published"})
            wanted = per_game.published(method, game)
            assert {name: getattr(config, name) for name in wanted} == wanted
            plain = build({"method": method, "game": game, **wanted}).model_dump()
            assert config.model_dump() == plain | {"per_game": "published"}


def test_a_game_s_row_is_that_of_the_authors() -> None:
    config = build({"method": "idaac", "game": "plunder", "per_game": "published"})
    assert (config.idaac_value_epochs, config.idaac_value_every) == (1, 8)
    assert (config.idaac_advantage_coef, config.idaac_order_coef) == (0.3, 0.1)
    assert build({"method": "idaac", "game": "plunder"}).idaac_value_epochs == 9
    daac = build({"method": "daac", "game": "plunder", "per_game": "published"})
    assert daac.idaac_order_coef == 0.001  # not an option of its


def test_a_run_is_read_back_and_continued_by_its_own_flags(tmp_path: Path) -> None:
    config = build({"method": "idaac", "game": "bigfish", "per_game": "published"})
    path = tmp_path / "config.json"
    path.write_text(config.to_json())
    assert TrainConfig.from_json(path) == config
    words = as_argv(config)
    flags = dict(zip(words[::2], words[1::2], strict=True))
    again = {name.lstrip("-").replace("-", "_"): value for name, value in flags.items()}
    assert build(again) == config


@pytest.mark.parametrize("game", per_game.PUBLISHED)
@pytest.mark.parametrize("method", ["daac", "idaac"])
def test_the_command_takes_what_was_published(
    method: str, game: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults of its other flags are no other values beside it."""
    begun: list[TrainConfig] = []
    monkeypatch.setattr(train, "_train", lambda config, run_dir, **how: begun.append(config) or 0)
    words = ["train", "--method", method, "--game", game, "--run-dir", str(tmp_path / "run")]
    assert cli.main([*words, "--per-game", "published"]) == 0
    assert begun == [build({"method": method, "game": game, "per_game": "published"})]


def test_another_value_beside_it_is_refused() -> None:
    given = {"method": "idaac", "game": "bigfish", "per_game": "published"}
    assert build({**given, "idaac_value_every": "32"}) == build(given)
    with pytest.raises(ConfigError, match="idaac_value_every '5' is not what was published for"):
        build({**given, "idaac_value_every": "5"})
    with pytest.raises(ConfigError, match="method 'ppo' has no option per_game"):
        build({"method": "ppo", "per_game": "published"})


def test_all_games_are_one_setting_and_another_than_the_default() -> None:
    found = [
        settings(build({"method": "idaac", "game": game, "per_game": how}), {})
        for game, how in (("bigfish", "published"), ("maze", "published"), ("maze", "none"))
    ]
    assert found[0] == found[1]
    assert found[1] != found[2]
