"""Every network by name: a line in MODELS is the registration, and the conformance tests run over it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nowcast.core.errors import SettingsError
from nowcast.core.settings import build
from nowcast.models.astm import ASTMSettings, MotionASTMSettings, build_astm
from nowcast.models.backbones import (
    ConvLSTMSettings,
    ConvTTLSTMSettings,
    E3DLSTMSettings,
    MIMSettings,
    MotionConvLSTMSettings,
    MotionE3DSettings,
    MotionMIMSettings,
    MotionPredRNNSettings,
    PredRNNPlusPlusSettings,
    PredRNNSettings,
    TrajGRUSettings,
    build_conv_tt_lstm,
    build_convlstm,
    build_e3d_lstm,
    build_mim,
    build_predrnn,
    build_predrnnpp,
    build_trajgru,
)
from nowcast.models.base import FrameSpec, Increments, SequenceModel
from nowcast.models.lmc.network import LmcSettings, build_lmc
from nowcast.models.persistence import PersistenceNetworkSettings, build_persistence
from nowcast.models.size_limit import build_within_memory
from nowcast.models.video.cdna import CDNASettings, build_cdna
from nowcast.models.video.crevnet.network import CrevNetSettings, build_crevnet
from nowcast.models.video.dfn import DFNSettings, build_dfn
from nowcast.models.video.frnn import FrnnSettings, build_frnn
from nowcast.models.video.mcnet import MCNetSettings, build_mcnet
from nowcast.models.video.phydnet import PhyDNetSettings, build_phydnet
from nowcast.models.video.predrnn_v2 import PredRNNV2Settings, build_predrnn_v2
from nowcast.models.video.savp.network import SavpVaeSettings, build_savp_vae
from nowcast.models.video.simvp.network import SimVPSettings, build_simvp
from nowcast.models.video.stmfanet.network import STMFANetSettings, build_stmfanet
from nowcast.models.video.tau import TAUSettings, build_tau
from nowcast.models.video.vpn.network import build_vpn
from nowcast.models.video.vpn.settings import VPNSettings

MOTIONRNN = "Wu et al., MotionRNN, CVPR 2021"


@dataclass(frozen=True)
class ModelEntry:
    """One network: what it is, where it comes from, what can be set, and how it is built."""

    title: str
    paper: str
    """Authors, name, venue and year."""
    settings: type
    """A frozen dataclass; every default is the paper's."""
    build: Callable[[Any, FrameSpec], SequenceModel]
    """(settings, the frames it is built for) -> network."""
    changes: bool = True
    """Its outputs can be read as changes of the frame before, which an exceedance-probability head needs; not
    those of a network that moves the pixels of frames."""


MODELS: dict[str, ModelEntry] = {
    "convlstm": ModelEntry(
        "ConvLSTM", "Shi et al., Convolutional LSTM Network, NeurIPS 2015", ConvLSTMSettings, build_convlstm
    ),
    "predrnn": ModelEntry("PredRNN", "Wang et al., PredRNN, NeurIPS 2017", PredRNNSettings, build_predrnn),
    "motionrnn_convlstm": ModelEntry(
        "MotionRNN on ConvLSTM", MOTIONRNN, MotionConvLSTMSettings, build_convlstm
    ),
    "motionrnn_predrnn": ModelEntry("MotionRNN on PredRNN", MOTIONRNN, MotionPredRNNSettings, build_predrnn),
    "mim": ModelEntry("MIM", "Wang et al., Memory in Memory, CVPR 2019", MIMSettings, build_mim),
    "e3d_lstm": ModelEntry(
        "E3D-LSTM", "Wang et al., Eidetic 3D LSTM, ICLR 2019", E3DLSTMSettings, build_e3d_lstm
    ),
    "motionrnn_mim": ModelEntry("MotionRNN on MIM", MOTIONRNN, MotionMIMSettings, build_mim),
    "motionrnn_e3d": ModelEntry("MotionRNN on E3D-LSTM", MOTIONRNN, MotionE3DSettings, build_e3d_lstm),
    "predrnnpp": ModelEntry(
        "PredRNN++", "Wang et al., PredRNN++, ICML 2018", PredRNNPlusPlusSettings, build_predrnnpp
    ),
    "trajgru": ModelEntry(
        "TrajGRU",
        "Shi et al., Deep Learning for Precipitation Nowcasting, NeurIPS 2017",
        TrajGRUSettings,
        build_trajgru,
    ),
    "conv_tt_lstm": ModelEntry(
        "Conv-TT-LSTM",
        "Su et al., Convolutional Tensor-Train LSTM, NeurIPS 2020",
        ConvTTLSTMSettings,
        build_conv_tt_lstm,
    ),
    "lmc_memory": ModelEntry(
        "LMC-Memory",
        "Lee et al., Video Prediction Recalling Long-term Motion Context, CVPR 2021",
        LmcSettings,
        build_lmc,
    ),
    "astm": ModelEntry(
        "ASTM",
        "Chang et al., Attention-based Spatiotemporal Memory for Video Prediction, 2021",
        ASTMSettings,
        build_astm,
    ),
    "motionrnn_astm": ModelEntry("MotionRNN on ASTM", MOTIONRNN, MotionASTMSettings, build_astm),
    "phydnet": ModelEntry(
        "PhyDNet",
        "Le Guen and Thome, Disentangling Physical Dynamics from Unknown Factors, CVPR 2020",
        PhyDNetSettings,
        build_phydnet,
    ),
    "crevnet": ModelEntry(
        "CrevNet",
        "Yu et al., Efficient and Information-Preserving Future Frame Prediction and Beyond, ICLR 2020",
        CrevNetSettings,
        build_crevnet,
    ),
    "simvp": ModelEntry("SimVP", "Gao et al., SimVP, CVPR 2022", SimVPSettings, build_simvp),
    "tau": ModelEntry("TAU", "Tan et al., Temporal Attention Unit, CVPR 2023", TAUSettings, build_tau),
    "frnn": ModelEntry(
        "FRNN",
        "Oliu et al., Folded Recurrent Neural Networks for Future Video Prediction, ECCV 2018",
        FrnnSettings,
        build_frnn,
    ),
    "stmfanet": ModelEntry(
        "STMFANet",
        "Jin et al., Exploring Spatial-Temporal Multi-Frequency Analysis, CVPR 2020",
        STMFANetSettings,
        build_stmfanet,
    ),
    "savp_vae": ModelEntry(
        "SAVP-VAE",
        "Lee et al., Stochastic Adversarial Video Prediction, arXiv 1804.01523, 2018",
        SavpVaeSettings,
        build_savp_vae,
        changes=False,
    ),
    "mcnet": ModelEntry(
        "MCNet", "Villegas et al., Decomposing Motion and Content, ICLR 2017", MCNetSettings, build_mcnet
    ),
    "vpn": ModelEntry("VPN", "Kalchbrenner et al., Video Pixel Networks, ICML 2017", VPNSettings, build_vpn),
    "lagrangian_persistence": ModelEntry(
        "Lagrangian persistence",
        "no network: the newest frame and one learnt number, to compare with",
        PersistenceNetworkSettings,
        build_persistence,
    ),
    "dfn": ModelEntry(
        "DFN",
        "De Brabandere et al., Dynamic Filter Networks, NeurIPS 2016",
        DFNSettings,
        build_dfn,
        changes=False,
    ),
    "predrnn_v2": ModelEntry(
        "PredRNN-V2",
        "Wang et al., PredRNN: A Recurrent Neural Network for Spatiotemporal Predictive Learning, TPAMI 2022",
        PredRNNV2Settings,
        build_predrnn_v2,
    ),
    "cdna": ModelEntry(
        "CDNA",
        "Finn et al., Unsupervised Learning for Physical Interaction through Video Prediction, NeurIPS 2016",
        CDNASettings,
        build_cdna,
        changes=False,
    ),
}
"""Name -> network, as ``model.name`` in an experiment and ``--model`` on the command line know it."""

FORMER_NAMES = {"steady": "lagrangian_persistence"}
"""Names that networks once had: experiments and checkpoints of then go on loading."""


def find_model(name: str) -> ModelEntry:
    """The catalog's entry of a name of today or of once.

    Raises:
        SettingsError: no such network; the message names the nearest, or all.
    """
    name = FORMER_NAMES.get(name, name)
    if name not in MODELS:
        near = difflib.get_close_matches(str(name), MODELS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(MODELS)}"
        raise SettingsError(f"model.name: got '{name}', which is no network of this package; {hint}")
    return MODELS[name]


def build_model(
    name: str,
    settings: Mapping[str, Any],
    channels: int = 1,
    size: tuple[int, int] | None = None,
    increments: Increments | None = None,
) -> SequenceModel:
    """Build a network with fresh weights.

    Args:
        name: a key of `MODELS`.
        settings: plain values for the network's dataclass; what is left out keeps its default.
        channels: C of a frame.
        size: (H, W) of the frames, needed only where the settings tie the network to it (layer norm);
            when given, it is checked.
        increments: how outputs change the frame that was read; None builds a network whose outputs are frames.

    Raises:
        SettingsError: an unknown name or setting, a value out of range, a size that does not fit, or more
            parameters than there can be.
    """
    entry = find_model(name)
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise SettingsError(f"channels: got {channels!r}, expected 1 or more; radar has 1, colour video 3")
    spec = FrameSpec(channels, size, increments)
    if increments is not None and not entry.changes:
        raise SettingsError(
            f"model.exceedance_probability: got '{name}', which moves the pixels of frames, expected a network "
            "whose outputs can be changes; leave exceedance_probability out, or take another network"
        )
    chosen: Any = build(entry.settings, settings, where="model.settings")
    return build_within_memory(lambda: entry.build(chosen, spec))
