"""Purposes of series, as vendors write them."""

from __future__ import annotations

import pytest

from imaging.study.role import SequenceFacts, decide_role


def role_of(description="", **facts):
    return decide_role(SequenceFacts(modality=facts.pop("modality", "MR"), description=description, **facts))[0]


@pytest.mark.parametrize(
    ("description", "role"),
    [
        ("t1_tse_sag", "t1"),
        ("T1W", "t1"),
        ("anat-T1w_acq-tfl", "t1"),
        ("Sag T1 FLAIR", "t1"),
        ("SAG T1 FS POST GAD", "t1cfs"),
        ("t1_vibe_fs_tra_KM", "t1cfs"),
        ("T1 +C", "t1c"),
        ("AX T1 PRE", "t1"),
        ("t1_tse_tra_nativ", "t1"),
        ("T1 without contrast", "t1"),
        ("AX T1 w/o CONTRAST", "t1"),
        ("T1 non contrast", "t1"),
        ("SAG T1 WO GAD", "t1"),
        ("T1 no gd", "t1"),
        ("T1 C-", "t1"),
        ("T1 -KM", "t1"),
        ("T1-KM", "t1c"),
        ("T1 vor KM", "t1"),
        ("T1 nach KM", "t1c"),
        ("T1 sans gado", "t1"),
        ("T1 sans injection de gado", "t1"),
        ("T1 avant injection", "t1"),
        ("T1 FS apres injection", "t1cfs"),
        ("T1 FS sans gado", "t1fs"),
        ("T1 zonder contrast", "t1"),
        ("T1 met contrast", "t1c"),
        ("T1 blanco", "t1"),
        ("T1 senza mdc", "t1"),
        ("T1 sin contraste", "t1"),
        ("SAG T1 POST OP", "t1"),
        ("T1 post-RT", "t1"),
        ("T1 post sacroplasty", "t1"),
        ("T1 post op post gad", "t1c"),
        ("SAG T1 NON FS", "t1"),
        ("T1 ohne FS", "t1"),
        ("T1 ohne FS mit KM", "t1c"),
        ("T2 without fat sat", "t2"),
        ("T1 Fettsat", "t1fs"),
        ("T1 fettgesättigt", "t1fs"),
        ("T1 sat graisse", "t1fs"),
        ("T1 vetsuppressie", "t1fs"),
        ("t1_tse_fs_sag", "t1fs"),
        ("T1 SPAIR", "t1fs"),
        ("T2 TSE SAG", "t2"),
        ("T2W_FatSat", "t2fs"),
        ("AX T2 FSE FS", "t2fs"),
        ("t2_stir_cor", "stir"),
        ("t2_tirm_cor_dark", "stir"),
        ("t2_tirm_tra_dark-fluid", "flair"),
        ("t1_tirm_sag_dark-fluid", "t1"),
        ("COR STIR", "stir"),
        ("t2_flair", "flair"),
        ("PD FS SAG", "pdfs"),
        ("ep2d_diff_b50_400_800", "dwi"),
        ("DWI b1000", "dwi"),
        ("T2* GRE", "gre"),
        ("SWI", "gre"),
        ("T1_VIBE_DIXON_W", "dixon_water_t1"),
        ("t2_tse_dixon_sag_W", "dixon_water_t2"),
        ("T1 VIBE DIXON W KM", "dixon_water_t1c"),
        ("t2_tse_dixon_sag_F", "dixon_fat_t2"),
        ("mDIXON-FAT", "dixon_fat"),
        ("t1 vibe dixon opp", "dixon_out_t1"),
        ("t1 vibe dixon in", "dixon_in_t1"),
        ("t1 vibe dixon", None),
        ("ADC (10^-6 mm2/s)", None),
        ("ep2d_diff_ADC", None),
        ("localizer", None),
        ("3-pl T2 loc", None),
        ("scout t1", None),
        ("ASSET calibration", None),
        ("T1 MIP", None),
        ("T1 subtraction", None),
        ("T1 Subtraktion", None),
        ("T1 soustraction", None),
        ("T1 MinIP", None),
        ("T2 mapping", None),
        ("Ax T2 FSE ASSET", "t2"),
        ("ASSET", None),
        ("t1 vibe dixon post op", None),
        ("t1 vibe dixon w/ contrast", None),
        ("T1 and T2 mixed", None),
        ("PHANTOM2", None),
        ("UNKNOWN", None),
    ],
)
def test_words_give_the_role(description, role):
    assert role_of(description) == role


def test_ct_is_ct_whatever_it_is_called():
    assert role_of("T1 bone", modality="CT") == "ct"
    assert role_of("", modality="CT", image_type=("DERIVED", "PRIMARY", "AXIAL")) == "ct"
    assert role_of("", modality="CT", image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")) is None


@pytest.mark.parametrize("kind", ["MAT_SPECIFIC", "EFF_ATOMIC_NUM", "ELECTRON_DENSITY"])
def test_material_maps_of_ct_have_no_role(kind):
    assert role_of("", modality="CT", image_type=("DERIVED", "PRIMARY", "AXIAL", kind)) is None


def test_a_long_inversion_time_makes_tirm_null_fluid():
    assert role_of("t2_tirm_tra", inversion_time=2500.0) == "flair"
    assert role_of("t2_tirm_cor", inversion_time=160.0) == "stir"


def test_other_modalities_have_no_role():
    assert role_of("T1", modality="PT") is None


def test_derived_images_have_no_role_but_processed_primary_ones_do():
    assert role_of("T1", image_type=("DERIVED", "SECONDARY", "MPR")) is None
    assert role_of("", modality="CT", image_type=("DERIVED", "SECONDARY", "REFORMATTED")) is None
    assert role_of("IBSI_1_STS_002_MR_T1_image", image_type=("DERIVED", "PRIMARY", "AXIAL")) == "t1"


@pytest.mark.parametrize("kind", ["P", "PHASE MAP", "ADC", "PROJECTION IMAGE", "SUBTRACTION", "T2 MAP", "FF", "FA"])
def test_maps_and_phases_have_no_role(kind):
    assert role_of("T1", image_type=("ORIGINAL", "PRIMARY", kind)) is None


@pytest.mark.parametrize(
    ("kind", "role"),
    [("WATER", "dixon_water"), ("FAT", "dixon_fat"), ("IN_PHASE", "dixon_in"), ("OUT_PHASE", "dixon_out")],
)
def test_image_type_names_the_dixon_part(kind, role):
    assert role_of("vibe", image_type=("DERIVED", "PRIMARY", "DIXON", kind)) == role
    assert role_of("t1_vibe", image_type=("DERIVED", "PRIMARY", "DIXON", kind)) == f"{role}_t1"
    timings = {"repetition_time": 3500.0, "echo_time": 95.0}
    assert role_of("", image_type=("DERIVED", "PRIMARY", "DIXON", kind), **timings) == f"{role}_t2"


def test_flavours_of_enhanced_images_count_where_words_are_silent():
    assert role_of("", image_type=("ORIGINAL", "PRIMARY", "T2", "NONE")) == "t2"
    assert role_of("T1", image_type=("ORIGINAL", "PRIMARY", "T2", "NONE")) == "t1"


def test_a_contrast_agent_makes_t1_contrast_enhanced_unless_words_deny_it():
    assert role_of("T1 sag", has_contrast_agent=True) == "t1c"
    assert role_of("T1 sag fs", has_contrast_agent=True) == "t1cfs"
    assert role_of("T1 sag pre", has_contrast_agent=True) == "t1"
    assert role_of("T2 sag", has_contrast_agent=True) == "t2"


@pytest.mark.parametrize("option", ["FS", "FAT_SAT", "fs"])
def test_scan_options_tell_fat_saturation(option):
    assert role_of("T2", scan_options=(option,)) == "t2fs"
    assert role_of("T2", scan_options=("PFP",)) == "t2"


@pytest.mark.parametrize(
    ("timings", "role"),
    [
        ({"repetition_time": 500.0, "echo_time": 12.0}, "t1"),
        ({"repetition_time": 3500.0, "echo_time": 95.0}, "t2"),
        ({"repetition_time": 3500.0, "echo_time": 95.0, "scan_options": ("FS",)}, "t2fs"),
        ({"repetition_time": 2500.0, "echo_time": 20.0}, "pd"),
        ({"repetition_time": 2500.0, "echo_time": 50.0}, None),
        ({"repetition_time": 4000.0, "echo_time": 30.0, "inversion_time": 160.0}, "stir"),
        ({"repetition_time": 9000.0, "echo_time": 120.0, "inversion_time": 2500.0}, "flair"),
        ({"repetition_time": 4.5, "echo_time": 2.0}, None),
        ({"repetition_time": 4.5, "echo_time": 2.0, "flip_angle": 10.0, "scanning_sequence": ("GR",)}, "t1"),
        ({"repetition_time": 4.5, "echo_time": 2.0, "scanning_sequence": ("GR",)}, None),
        (
            {
                "repetition_time": 4.5,
                "echo_time": 2.2,
                "flip_angle": 60.0,
                "scanning_sequence": ("GR",),
                "sequence_variant": ("SS",),
            },
            None,
        ),
        ({"repetition_time": 600.0, "echo_time": 20.0, "flip_angle": 20.0, "scanning_sequence": ("GR",)}, "gre"),
        ({"repetition_time": 3000.0, "echo_time": 60.0, "scanning_sequence": ("EP",), "b_value": 800.0}, "dwi"),
        ({"repetition_time": 3000.0, "echo_time": 60.0, "scanning_sequence": ("EP",)}, None),
        ({"repetition_time": 500.0}, None),
        ({}, None),
    ],
)
def test_timings_give_the_role_where_words_are_silent(timings, role):
    assert role_of("", **timings) == role


def test_the_reason_never_repeats_free_text():
    for description in ("ZZNAME T1 post", "ZZNAME", "ZZNAME localizer", "ZZNAME dixon"):
        role, reason = decide_role(SequenceFacts(modality="MR", description=description))
        assert reason
        assert "ZZ" not in reason
        assert role in {None, "t1c"}
