"""A file that is read by what it does not share with its neighbours gives what reading it with care gives."""

from __future__ import annotations

import copy

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, JPEGLSLossless

from imaging.dicom.alike import Alike
from imaging.dicom.file import parser_silenced
from imaging.dicom.file_meta import PREAMBLE
from imaging.dicom.row import read_row
from imaging.dicom.scan import scan
from tests.benchmarks import corpus
from tests.imaging.dicom.both_ways import assert_both_ways_agree, plain

SPELLINGS = {"DS": "7.5", "IS": "7", "UI": "1.2.3", "DA": "20040203", "TM": "0102", "PN": "OTHER^NAME", "AS": "010Y"}


def rich(slices, *, implicit: bool, modality: str = "CT"):
    """Four slices with what scanners add: sequences of both lengths, private blocks, a group length, other text."""
    datasets = slices.clean(4, modality=modality)
    for number, dataset in enumerate(datasets):
        code, source = Dataset(), Dataset()
        code.CodeValue, code.CodeMeaning = "T-1", "x" * (number + 1)
        source.ReferencedSOPInstanceUID, source.PurposeOfReferenceCodeSequence = f"1.2.{10**number}", [code]
        dataset.ReferencedImageSequence = [source, copy.deepcopy(source)]
        dataset.SourceImageSequence = [copy.deepcopy(source)]
        dataset["SourceImageSequence"].is_undefined_length = True
        for item in dataset.SourceImageSequence:
            item.is_undefined_length_sequence_item = True
            item["PurposeOfReferenceCodeSequence"].is_undefined_length = True
        agent = Dataset()
        agent.CodeMeaning = "agent"
        dataset.ContrastBolusAgentSequence = [agent]
        dataset["ContrastBolusAgentSequence"].is_undefined_length = True
        dataset.SpecificCharacterSet, dataset.InstitutionName = "ISO_IR 100", "Universität"
        dataset.SliceLocation, dataset.WindowCenter = str(10**number), ["40", "300"]
        dataset.ContentTime, dataset.TriggerTime = f"1015{number:02d}.5", str(number)
        dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0C, "IS", "0")
        dataset.private_block(0x0029, "TESTS", create=True).add_new(0x10, "OB", bytes(40 + 2 * number))
        if implicit:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return datasets


def learned(paths) -> Alike:
    """One that has read the files, and knows the last of them."""
    alike = Alike()
    for path in paths:
        assert plain(alike.row(path)) == plain(read_row(path))
    return alike


@pytest.mark.parametrize("implicit", [False, True])
def test_any_changed_byte_of_a_header_is_seen_as_with_care(implicit, slices):
    paths = sorted(slices.write(rich(slices, implicit=implicit)).iterdir())
    last, content = paths[-1], paths[-1].read_bytes()
    with parser_silenced():
        alike = learned(paths[:-1])
        for at in range(PREAMBLE - 2, len(content) - 240):
            bit = 1 << (at * 3) % 8  # of every byte one, not always the same
            last.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
            assert plain(alike.row(last)) == plain(read_row(last)), at
            if at % 16 == 0:  # and what was learned of the damaged one does not spoil the next whole one
                assert plain(alike.row(paths[0])) == plain(read_row(paths[0]))


@pytest.mark.parametrize("implicit", [False, True])
def test_any_element_that_is_changed_lengthened_or_missing_is_seen_as_with_care(implicit, slices):
    datasets = rich(slices, implicit=implicit)
    paths = sorted(slices.write(datasets).iterdir())
    whole = pydicom.dcmread(paths[-1])
    with parser_silenced():
        for tag in [element.tag for element in whole if element.tag < 0x7FE00000]:
            alike = learned(paths[:-1])
            for changed in changes(whole, tag):
                changed.save_as(paths[-1])
                assert plain(alike.row(paths[-1])) == plain(read_row(paths[-1])), tag
                assert plain(alike.row(paths[1])) == plain(read_row(paths[1])), tag


def changes(whole, tag):
    for value in ("", SPELLINGS.get(whole[tag].VR, "A"), SPELLINGS.get(whole[tag].VR, "A BIT LONGER")):
        changed = copy.deepcopy(whole)
        if isinstance(whole[tag].value, bytes):
            changed[tag].value = value.encode()
        elif isinstance(whole[tag].value, int) and whole[tag].VR == "US":
            changed[tag].value = len(value)
        elif whole[tag].VR == "SQ":
            changed[tag].value = changed[tag].value[: len(value)]
        else:
            changed[tag].value = value
        yield changed
    changed = copy.deepcopy(whole)
    del changed[tag]
    yield changed


@pytest.mark.parametrize("cut_off", [1, 100, 239, 240, 250, 1000])
def test_a_file_that_ends_early_is_seen_as_with_care(cut_off, slices):
    paths = sorted(slices.write(rich(slices, implicit=False)).iterdir())
    alike = learned(paths)
    paths[-1].write_bytes(paths[-1].read_bytes()[:-cut_off])
    with parser_silenced():
        assert plain(alike.row(paths[-1])) == plain(read_row(paths[-1]))


def test_compressed_files_that_end_early_are_seen_as_with_care(tmp_path):
    corpus.write_slices(tmp_path / "ls", 4, (16, 16), series=3, syntax=JPEGLSLossless)
    paths = sorted((tmp_path / "ls").iterdir())
    content = paths[-1].read_bytes()
    alike = learned(paths)
    for left in (*range(len(content) - 30, len(content)), len(content) // 2):
        paths[-1].write_bytes(content[:left])
        assert plain(alike.row(paths[-1])) == plain(read_row(paths[-1])), left


def test_most_files_of_a_folder_are_read_the_quick_way(slices, monkeypatch):
    careful = []

    def counted(path, opened):
        careful.append(path)
        return read_row(path, opened)

    monkeypatch.setattr("imaging.dicom.alike.read_row", counted)
    assert len(scan([slices.write(slices.clean(40))]).volumes) == 1
    assert len(careful) < 10


def test_other_files_than_slices_of_one_kind_agree_in_one_folder(slices):
    mixed = [image for pair in zip(slices.clean(6), rich(slices, implicit=True) * 2, strict=False) for image in pair]
    for number, dataset in enumerate(mixed):
        changed = copy.deepcopy(dataset)
        changed.Modality = ["CT", "PT", "CT", "MR"][number % 4]
        changed.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER" if number % 3 == 0 else "AXIAL"]
        mixed[number] = changed
    assert_both_ways_agree([slices.write(mixed)])


def test_the_corpus_of_the_benchmarks_gives_one_index_both_ways(tmp_path):
    corpus.write_slices(tmp_path / "ct", 120, (8, 8), series=2)
    corpus.write_slices(tmp_path / "implicit", 20, (8, 8), series=3, syntax=ImplicitVRLittleEndian)
    corpus.write_slices(tmp_path / "mr", 20, (8, 8), series=5, modality="MR", private=30_000)
    corpus.write_slices(tmp_path / "ls", 20, (16, 16), series=6, syntax=JPEGLSLossless)
    assert_both_ways_agree([tmp_path])


@pytest.mark.shared
def test_real_folders_give_one_index_both_ways(shared):
    for folder in sorted((shared / "data").iterdir()):
        if folder.is_dir():
            assert_both_ways_agree([folder])
