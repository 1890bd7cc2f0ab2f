"""Values that command lines and files stumble over, and values that flags are meant to have."""

from __future__ import annotations

from drac.config import TrainConfig
from drac.games import GAMES
from drac.methods import METHODS

TEXTS: tuple[str, ...] = (
    *("", " ", "0", "-1", "1e9", "25M", "nan", "auto", "help", "..", "../../x", "/etc/passwd"),
    *("a/b", "\n", "ü", "𝄞", "x" * 5000, "crop(" * 500, "kornia:X", "os:system", "%s{0}", "ppo"),
    *("flip(axis=" + "9" * 5000 + ")", "drac", "drac-crop", "drac-best", "idaac", "plr"),
)
"""Of files and of command lines."""

ODD_TEXTS = (
    *TEXTS,
    *("1e-400", "1e400", "9" * 400, "9" * 5000, "-9" * 40, "0x10", "1_000", "٣", "½", "+5"),
    *("inf", "-inf", "1,5", "1 2", "--", "-", "-x", "=", "=5", "True", "None", "[]", "{}", "'"),
    *('"', "$HOME", "~", "\udcff", "\x1b[31m", "\u202e", "0-99999999999999999999", "5-4", "-3-5"),
    *("0-", "1-2-3", "[red]", "[/]", "a:b:c", ":", "a:", ":b", "coin\nrun", "NaN", "١-٢", "1e3k"),
    *("k", "0.5k"),
)
"""Of command lines."""

PATHS = (
    *("run", "empty", "results", "nowhere", "new/deep/er", "file", "file/x", "taken.csv", "."),
    *("taken.mp4", "taken.safetensors", "folder.png", "folder.png/x.png", "scores.csv", "loop"),
    *("speed.json", "dangling", "pipe", "/dev/null", "/dev/null/x", "/proc/self/new", "x" * 300),
    *("/".join(["deep"] * 1500), "new.csv", "new.mp4", "new.png", "new.safetensors", "new.gif"),
    *("run/config.json", "run/checkpoint", "loop/x.csv", "dangling/x.png", "pipe/x.json", "", "/"),
    *("\udcff.csv", "ä ö.png", "results/runs/exp/ppo/maze/seed0", "new\nline.mp4", "..", "./"),
)

AUGMENTATIONS = (
    *("crop", "flip(axis='vertical')", "flip(axis='diagonal')", "crop(padding=4)", "identity"),
    *("crop(padding=)", "crop(padding=-1)", "crop(padding=1e9)", "crop(padding=99999999999)"),
    *("kornia:RandomGaussianBlur(kernel_size=(3, 3), sigma=(0.1, 2.0))", "kornia:RandomErasing"),
    *("kornia:RandomBlurr", "no_such_module:X", "json:dumps", "os:system('true')", "color-jitter"),
    *("cutout-color", "random-conv", "crop()", "crop((", "translate(pixels=70)", "rotate", "crp"),
)

_NUMBERS = ("0", "1", "2", "3", "16", "64", "1k", "256", "4096", "4097", "1000000", "2147483647")

VALUES: dict[str, tuple[str, ...]] = {
    "game": (*GAMES, "Maze", "pong"),
    "games": (*GAMES, "all", "Maze"),
    "method": (*METHODS, "drac", "drac-crop", "PPO", "pppo"),
    "methods": (*METHODS, "all", "drac-crop", "exp:ppo", "PPO"),
    "augmentation": AUGMENTATIONS,
    "augmentations": AUGMENTATIONS,
    "arms": AUGMENTATIONS,
    "seeds": ("0", "0-2", "3", "0-0", "2-1", "2147483647", "2147483648", "0-99999999999", "0-1e3"),
    "levels": ("0-199", "0-0", "5-9", "9-5", "0-2147483647", "5-2147483648", "7"),
    "split": ("train", "test", "0-99", "5-5", "tset"),
    "level": ("0", "77", "2147483646", "2147483647"),
    "suite": ("demo", "smoke", "paper-table1", "demoo"),
    "experiment": ("exp", "exp", "default", "x", "../x", "a" * 201),
    "results": ("results", "results", "new"),
    "run": ("run", "run", "empty", "results/runs/exp/ppo/maze/seed0"),
    "file": ("scores.csv", "taken.csv", "nowhere.csv"),
    "files": ("speed.json", "scores.csv"),
    "table": ("table1", "per-game", "recomputed", "bandit", "tabel1"),
    "figure": ("intervals", "profiles", "curves", "curvs"),
    "format": ("text", "markdown", "csv", "latex", "png", "svg", "PNG", "onnx", "torchscript"),
    "style": ("screen", "paper", "papr"),
    "ranges": ("default", "train-procgen"),
    "selectors": ("ucb", "thompson", "ucb, both", "rl2", "ucbb"),
    "curves": ("constant", "rising", "switching"),
    "device": ("cpu", "auto", "cuda", "gpu"),
    "precision": ("float32", "bf16", "auto", "fp16"),
    "precisions": ("float32", "bf16", "auto", "fp16"),
    "fidelity": ("paper", "released", "mine"),
    "checkpoint_every": ("0", "5", "500ksteps", "1steps", "0.5", "5minutes", "-1"),
    "out": ("new.csv", "new.mp4", "new.png", "new/x.svg", "new.safetensors", "new"),
    "json": ("new.json", "speed.json"),
    "track": ("none", "wandb", "wanb"),
    "csv": ("new.csv", "taken.csv"),
    "name": ("mine", "scores", "../x", "a b"),
    "best_from": ("results/published/best_augmentation.csv", "scores.csv", "nowhere.csv"),
}
for _name, _field in TrainConfig.model_fields.items():
    if _field.annotation in (int, float):
        _default = (str(_field.default),) if _field.default is not None else ()
        VALUES.setdefault(_name, (*_default, *_NUMBERS, "0.5", "1e-3"))
for _name in ("episodes", "num_envs", "frames", "draws", "pulls", "workers", "attempts", "repeats"):
    VALUES.setdefault(_name, _NUMBERS)
