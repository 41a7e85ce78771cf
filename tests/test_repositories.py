"""What of a repository is downloaded, and what is said where it cannot be: a hub that is a folder, and a local cache."""

import shutil
from types import SimpleNamespace

import hub
import huggingface_hub
import open_clip
import pytest
import tiny
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from clipspace import load_space
from clipspace.errors import CheckpointError
from clipspace.models.catalogue import _CLIP_FILES, CATALOGUE, CLIP_REPOSITORIES, download_size, locate
from clipspace.models.decoders import DECODERS
from clipspace.models.parts import READS
from clipspace.models.repositories import cached

DECODER, PRIOR = "kandinsky-community/kandinsky-2-2-decoder", "kandinsky-community/kandinsky-2-2-prior"
KARLO = "kakaobrain/karlo-v1-alpha"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    return hub.use(tmp_path / "hub", monkeypatch)


class Online:
    """A hub whose repositories are folders: what is asked of it is counted, and comes into the cache."""

    def __init__(self, cache, folders, monkeypatch):
        self.cache, self.folders, self.batches, self.fails_at = cache, folders, [], None
        self.local = huggingface_hub.snapshot_download
        monkeypatch.delenv("HF_HUB_OFFLINE")
        monkeypatch.setattr(huggingface_hub, "model_info", self.model_info)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.snapshot_download)

    def model_info(self, repo, revision=None, files_metadata=False):
        if isinstance(self.folders[repo], Exception):
            raise self.folders[repo]
        files = sorted(p for p in self.folders[repo].rglob("*") if p.is_file())
        names = [(str(p.relative_to(self.folders[repo])), p.stat().st_size) for p in files]
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in names])

    def snapshot_download(self, repo, revision=None, allow_patterns=None, local_files_only=False):
        if local_files_only:
            return self.local(repo, revision=revision, local_files_only=True)
        self.batches.append(allow_patterns)
        if self.fails_at == len(self.batches):
            raise OSError("the line\nis dead")
        home = self.cache / f"models--{repo.replace('/', '--')}"
        for name in allow_patterns:
            path = home / "snapshots" / hub.BRANCH / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folders[repo] / name, path)
        (home / "refs").mkdir(exist_ok=True)
        (home / "refs/main").write_text(hub.BRANCH)
        return str(home / "snapshots" / hub.BRANCH)

    @property
    def names(self):
        return [name for batch in self.batches for name in batch]


@pytest.fixture
def online(cache, scratch, monkeypatch):
    folders = {repo: scratch / repo.replace("/", "--") for repo in (DECODER, PRIOR, KARLO)}
    for repo, folder in folders.items():
        if not folder.is_dir():
            hub.write(repo, folder)
    return Online(cache, folders, monkeypatch)


def test_only_what_is_read_is_downloaded_and_the_small_files_first(online, tmp_path):
    space = load_space(tiny.clip(tmp_path / "clip"), decoder="kandinsky-2.2", prior="kandinsky-2.2", device="cpu")
    assert space.prior_model is not None
    assert online.batches == [
        ["model_index.json"],
        ["unet/config.json", "movq/config.json", "scheduler/scheduler_config.json"],
        ["unet/diffusion_pytorch_model.safetensors", "movq/diffusion_pytorch_model.safetensors"],
        ["model_index.json"],
        online.batches[4],
        ["prior/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"],
    ]
    assert {name.partition("/")[0] for name in online.batches[4]} == {"prior", "text_encoder", "tokenizer", "scheduler"}
    assert all(name.endswith((".json", ".txt")) for name in online.batches[4])


def test_the_variant_asked_for_is_downloaded_and_not_the_other_files(online):
    folder = locate("kandinsky-2.2", variant="fp16")[0]
    assert [p.name for p in (folder / "unet").glob("*.safetensors")] == ["diffusion_pytorch_model.fp16.safetensors"]


def test_of_two_formats_only_safetensors_are_downloaded(online):
    locate("karlo")
    assert not [name for name in online.names if name.endswith(".bin") or name.startswith("prior")]
    locate("karlo", "prior")
    assert "prior/diffusion_pytorch_model.safetensors" in online.names
    assert not [name for name in online.names if name.endswith(".bin")]


def test_what_a_decoder_or_a_prior_reads_is_what_is_listed(cache, scratch, tmp_path):
    """Each loads from its listed parts alone (above, and by name in test_rehearsal), and misses each of them."""
    assert {kind for facts in DECODERS.values() for kind in facts.class_names} == {
        *READS["decoder"],
        "decoder_config.json",
    }
    clip = tiny.clip(tmp_path / "clip")
    for name, make in {"kandinsky": tiny.kandinsky, "stable_unclip": tiny.stable_unclip, "karlo": tiny.karlo}.items():
        pipeline = type(make(tmp_path / name)).__name__
        for part in READS["decoder"][pipeline]:
            (tmp_path / name / part).rename(tmp_path / "away")
            if part != "super_res_first":  # without which Karlo stays at its 64 pixels
                with pytest.raises(CheckpointError, match=part if part != "tokenizer" else "token"):
                    load_space(clip, decoder=tmp_path / name, device="cpu")
            (tmp_path / "away").rename(tmp_path / name / part)


@pytest.mark.parametrize("name", ["sd-image-variations", "stable-unclip-h"])
def test_what_is_downloaded_of_a_decoder_is_enough_to_load_it(online, scratch, tmp_path, name):
    repo = CATALOGUE[name].decoder.partition(":")[0]
    online.folders[repo] = scratch / repo.replace("/", "--")
    if not online.folders[repo].is_dir():
        hub.write(repo, online.folders[repo])
    assert load_space(tiny.clip(tmp_path / "clip"), decoder=name, device="cpu").decoder.facts.name == name
    assert not [
        file for file in online.names if file.startswith(("safety_checker", "image_encoder", "feature_ext", "sd21"))
    ]
    assert not [file for file in online.names if "fp16" in file]


def test_a_download_that_breaks_off_says_so_and_goes_on(online):
    online.fails_at = 3
    with pytest.raises(
        CheckpointError, match=r"could not download the decoder .*: the line is dead; what has come stays"
    ):
        locate("kandinsky-2.2")
    assert not cached(DECODER, "decoder")
    online.fails_at = None
    assert locate("kandinsky-2.2")[1] == "kandinsky-2.2"
    assert cached(DECODER, "decoder")


def _response(error):
    answer = SimpleNamespace(headers={}, status_code=404, url="https://huggingface.co", request=None)
    return error("no\nentry", response=answer)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RepositoryNotFoundError, "is not in the local cache, and the hub shows no such repository; check its name"),
        (GatedRepoError, f"it is gated; accept its terms at https://huggingface.co/{DECODER} and log in"),
        (RevisionNotFoundError, "it has no branch, tag, commit or request"),
    ],
)
def test_why_a_repository_cannot_be_had_is_one_line(online, scratch, cache, error, message):
    online.folders[DECODER] = _response(error)
    with pytest.raises(CheckpointError, match=message) as raised:
        locate("kandinsky-2.2")
    assert "\n" not in str(raised.value)
    hub.put(cache, scratch / DECODER.replace("/", "--"), DECODER, hub.BRANCH, "main")
    assert locate("kandinsky-2.2")[0].is_dir()  # the cache serves without the hub


def test_without_a_network_the_cache_serves_and_an_unreachable_hub_is_said(online):
    online.folders[DECODER] = ConnectionError("no\nroute")
    with pytest.raises(CheckpointError, match=r"the hub could not be asked \(no route\); try again"):
        locate("kandinsky-2.2")


def test_a_cache_of_json_alone_is_not_local_and_says_what_is_missing(cache, scratch, monkeypatch, tmp_path):
    hub.put_clips(cache, tmp_path / "clips", monkeypatch)
    hub.put_all(cache, scratch, [DECODER, PRIOR])
    assert CATALOGUE["kandinsky-2.2"].describe()["local"] == "yes"
    home = cache / f"models--{DECODER.replace('/', '--')}"
    for path in home.rglob("*.safetensors"):
        path.unlink()
    row = CATALOGUE["kandinsky-2.2"].describe()
    assert (row["local"], row["missing"]) == ("no", "decoder")
    with pytest.raises(
        CheckpointError, match=r"lacks \['unet/\*\.safetensors', 'movq/\*\.safetensors'\] in the local cache"
    ):
        load_space("kandinsky-2.2", device="cpu")


def test_a_row_is_local_only_with_its_clip(cache, scratch, monkeypatch, tmp_path):
    hub.put_all(cache, scratch, [DECODER, PRIOR])
    assert CATALOGUE["kandinsky-2.2"].missing() == ["CLIP"]
    hub.put_clips(cache, tmp_path / "clips", monkeypatch)
    assert CATALOGUE["kandinsky-2.2"].missing() == []
    (index,) = (cache / f"models--{DECODER.replace('/', '--')}").rglob("model_index.json")
    whole = index.read_text()
    index.write_text(whole[:9])
    assert CATALOGUE["kandinsky-2.2"].missing() == ["decoder"]
    with pytest.raises(CheckpointError, match=r"model_index.json' as valid JSON"):
        locate("kandinsky-2.2")
    index.write_text(whole)
    for path in (cache / f"models--{PRIOR.replace('/', '--')}" / "blobs").iterdir():
        path.unlink()  # half of a download: the links lead nowhere
    assert CATALOGUE["kandinsky-2.2"].missing() == ["prior"]


def test_sizes_are_those_of_what_is_read_with_the_clip_and_shared_files_once(online, tmp_path):
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip/open_clip_model.safetensors").write_bytes(b"x" * 1000)
    (tmp_path / "clip/open_clip_pytorch_model.bin").write_bytes(b"x" * 5000)
    online.folders |= dict.fromkeys(CLIP_REPOSITORIES.values(), tmp_path / "clip")
    for repo in online.folders:
        (online.cache / f"models--{repo.replace('/', '--')}").mkdir(parents=True, exist_ok=True)
    total = download_size(CATALOGUE["karlo"])
    locate("karlo")
    locate("karlo", "prior")
    files = set(online.names)
    assert total == 1000 + sum((online.folders[KARLO] / name).stat().st_size for name in files)
    assert download_size(CATALOGUE["mini"]) == 0
    online.folders[KARLO] = ConnectionError("no route")
    with pytest.raises(CheckpointError, match=r"could not ask for the size of 'karlo' .*no route.*leave --sizes out"):
        download_size(CATALOGUE["karlo"])


def test_the_repositories_of_the_clips_are_those_of_open_clip():
    for clip, repo in CLIP_REPOSITORIES.items():
        assert open_clip.get_pretrained_cfg(*clip.split("/"))["hf_hub"] == f"{repo}/"
    assert _CLIP_FILES == (open_clip.constants.HF_SAFE_WEIGHTS_NAME, open_clip.constants.HF_WEIGHTS_NAME)
    assert {row.clip for row in CATALOGUE.values()} - CLIP_REPOSITORIES.keys() == {CATALOGUE["mini"].clip}
