"""e00 to e04 and other multi-frame images: frames described by shared and per-frame functional groups."""

from __future__ import annotations

import copy
import random
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from tests.imaging.dicom.hazards.pixel_cases import CODECS
from tests.imaging.dicom.hazards.series import ROOT, decimal, stored, write
from tests.imaging.dicom.hazards.table import hazard

ENHANCED = {"CT": "1.2.840.10008.5.1.4.1.1.2.1", "MR": "1.2.840.10008.5.1.4.1.1.4.1"}
LEGACY = {"CT": "1.2.840.10008.5.1.4.1.1.2.2", "MR": "1.2.840.10008.5.1.4.1.1.4.4"}
PLACED = (
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "SliceThickness",
    "EchoTime",
    "ConvolutionKernel",
    "DiffusionBValue",
)


def item(**values):
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def groups_of(frame, number, **content):
    """The functional groups of one classic slice, all of them per frame."""
    groups = Dataset()
    groups.PlanePositionSequence = [item(ImagePositionPatient=frame.ImagePositionPatient)]
    groups.FrameContentSequence = [item(StackID="1", InStackPositionNumber=number + 1, **content)]
    if "RescaleSlope" in frame:
        groups.PixelValueTransformationSequence = [
            item(RescaleSlope=frame.RescaleSlope, RescaleIntercept=frame.RescaleIntercept, RescaleType="HU")
        ]
    return groups


def multiframe(frames, groups, modality, *, uid="1", classes=ENHANCED):
    """One multi-frame image; plane orientation and pixel measures are shared."""
    first = frames[0]
    image = copy.deepcopy(first)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = classes[modality]
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.5.{uid}"
    image.NumberOfFrames, image.InstanceNumber = len(frames), int(uid)
    for keyword in PLACED:
        if keyword in image:
            delattr(image, keyword)
    shared = Dataset()
    shared.PlaneOrientationSequence = [item(ImageOrientationPatient=first.ImageOrientationPatient)]
    shared.PixelMeasuresSequence = [item(PixelSpacing=first.PixelSpacing, SliceThickness="2.5")]
    image.SharedFunctionalGroupsSequence = [shared]
    image.PerFrameFunctionalGroupsSequence = groups
    image.PixelData = b"".join(frame.PixelData for frame in frames)
    image["PixelData"].VR = "OW"
    return image


def enhanced(plan, order=None, *, level=0.0, content=None, **options):
    frames = plan.series(level=level)
    numbers = list(range(plan.count)) if order is None else order
    groups = [groups_of(frames[n], n, **(content or {})) for n in numbers]
    return multiframe([frames[n] for n in numbers], groups, plan.modality, **options)


def shuffled(plan):
    numbers = list(range(plan.count))
    random.Random(11).shuffle(numbers)
    return numbers


@hazard("e00_enhanced_shuffled", "load")
def enhanced_shuffled(home, plan):
    write([enhanced(plan, shuffled(plan))], home)
    return [plan.truth]


def at(plan, level):
    return replace(plan.truth, body=plan.body.with_level(plan.body.level + level))


def differing(*changes):
    """One volume for each change, all in one multi-frame image; a change edits one frame's groups."""

    def build(home, plan):
        stacks = []
        for number, change in enumerate(changes):
            frames = plan.series(level=60.0 * number)
            groups = [groups_of(frame, n) for n, frame in enumerate(frames)]
            for group in groups:
                change(group)
            stacks.append(list(zip(frames, groups, strict=True)))
        pairs = [pair for row in zip(*stacks, strict=True) for pair in row]
        write([multiframe([f for f, _ in pairs], [g for _, g in pairs], plan.modality)], home)
        return [at(plan, 60.0 * number) for number in range(len(changes))]

    return build


def content(**values):
    def change(group):
        for keyword, value in values.items():
            setattr(group.FrameContentSequence[0], keyword, value)

    return change


def macro(name, **values):
    def change(group):
        setattr(group, name, [item(**values)])

    return change


SPLIT = ("split error", "MULTIPLE_VOLUMES")
hazard("e01_enhanced_two_times", *SPLIT)(differing(content(TemporalPositionIndex=1), content(TemporalPositionIndex=2)))
hazard("e01_enhanced_stack_ids", *SPLIT, more=True)(differing(content(StackID="1"), content(StackID="2")))
hazard("e01_enhanced_echoes", *SPLIT, only="MR", more=True)(
    differing(macro("MREchoSequence", EffectiveEchoTime=12.0), macro("MREchoSequence", EffectiveEchoTime=80.0))
)
hazard("e01_enhanced_b_values", *SPLIT, only="MR", more=True)(
    differing(
        macro("MRDiffusionSequence", DiffusionBValue=0.0, DiffusionDirectionality="NONE"),
        macro("MRDiffusionSequence", DiffusionBValue=600.0, DiffusionDirectionality="ISOTROPIC"),
    )
)
hazard("e01_enhanced_diffusion_directions", *SPLIT, only="MR", more=True)(
    differing(
        *(
            macro(
                "MRDiffusionSequence",
                DiffusionBValue=600.0,
                DiffusionGradientDirectionSequence=[item(DiffusionGradientOrientation=way)],
            )
            for way in ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])
        )
    )
)
hazard("e01_enhanced_dixon", *SPLIT, only="MR", more=True)(
    differing(
        *(
            macro("MRImageFrameTypeSequence", FrameType=["DERIVED", "PRIMARY", "DIXON", part])
            for part in ("WATER", "FAT", "IN_PHASE", "OUT_PHASE")
        )
    )
)
hazard("e01_enhanced_magnitude_phase", *SPLIT, only="MR", more=True)(
    differing(
        *(
            macro(
                "MRImageFrameTypeSequence",
                FrameType=["ORIGINAL", "PRIMARY", "T1", "NONE"],
                ComplexImageComponent=component,
            )
            for component in ("MAGNITUDE", "PHASE")
        )
    )
)
hazard("e01_enhanced_triggers", *SPLIT, more=True)(
    differing(
        *(macro("CardiacSynchronizationSequence", NominalCardiacTriggerDelayTime=time) for time in (0.0, 200.0, 400.0))
    )
)
hazard("e01_enhanced_kernels", *SPLIT, only="CT", more=True)(
    differing(*(macro("CTReconstructionSequence", ConvolutionKernel=kernel) for kernel in ("B30f", "B70f")))
)
hazard("e01_enhanced_kvp", *SPLIT, only="CT", more=True)(
    differing(*(macro("CTXRayDetailsSequence", KVP=kvp) for kvp in (80.0, 140.0)))
)
hazard("e01_enhanced_flip_angles", *SPLIT, only="MR", more=True)(
    differing(
        *(macro("MRTimingAndRelatedParametersSequence", FlipAngle=angle, RepetitionTime=500.0) for angle in (5.0, 26.0))
    )
)
hazard("e01_enhanced_frame_times", *SPLIT, more=True)(
    differing(content(FrameAcquisitionDateTime="20030117101500"), content(FrameAcquisitionDateTime="20030117101700"))
)
hazard("e01_enhanced_nothing_tells_apart", "error", "MULTIPLE_VOLUMES", more=True)(
    differing(lambda _: None, lambda _: None)
)


def indexed(pointer, values):
    """Only the dimension index tells the volumes apart."""

    def build(home, plan):
        pairs = []
        for number, value in enumerate(values):
            frames = plan.series(level=60.0 * number)
            for n, frame in enumerate(frames):
                group = groups_of(frame, n)
                group.FrameContentSequence[0].DimensionIndexValues = [value, n + 1]
                pairs.append((frame, group))
        image = multiframe([f for f, _ in pairs], [g for _, g in pairs], plan.modality)
        image.DimensionIndexSequence = [
            item(DimensionIndexPointer=pointer, DimensionOrganizationUID="1.2.3"),
            item(DimensionIndexPointer=0x00209057, DimensionOrganizationUID="1.2.3"),
        ]
        write([image], home)
        return [at(plan, 60.0 * number) for number in range(len(values))]

    return build


hazard("e05_dimension_index_of_a_private_element", *SPLIT, more=True)(indexed(0x20051413, (1, 2)))
hazard("e05_dimension_index_of_a_time", *SPLIT, more=True)(indexed(0x00209128, (1, 2, 3)))


@hazard("e02_enhanced_missing_frame", "error warn", "MISSING_SLICES")
def missing_frame(home, plan):
    write([enhanced(plan, [n for n in range(plan.count) if n != 9])], home)
    return [plan.truth]


@hazard("e03_enhanced_per_frame_rescale", "load")
def per_frame_rescale(home, plan):
    frames = plan.series()
    for n, frame in enumerate(frames):
        frame.RescaleSlope, frame.RescaleIntercept = str(1 + n % 3), str(-1024 + 5 * n)
        plan.fill(frame, n)
    write([multiframe(frames, [groups_of(f, n) for n, f in enumerate(frames)], plan.modality)], home)
    return [replace(plan.truth, rounding=2.0)]


@hazard("e03_enhanced_shared_rescale", "load", more=True)
def shared_rescale(home, plan):
    frames = plan.series()
    for n, frame in enumerate(frames):
        frame.RescaleSlope, frame.RescaleIntercept = "2", "-1024"
        plan.fill(frame, n)
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    image = multiframe(frames, groups, plan.modality)
    for group in groups:
        del group.PixelValueTransformationSequence
    image.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence = [
        item(RescaleSlope="2", RescaleIntercept="-1024", RescaleType="HU")
    ]
    write([image], home)
    return [replace(plan.truth, rounding=1.5)]


def concatenated(parts, *, keep, total=True):
    def build(home, plan):
        frames = plan.series()
        size = plan.count // parts
        images = []
        for part in range(parts):
            chosen = list(range(part * size, (part + 1) * size))
            image = multiframe(
                [frames[n] for n in chosen], [groups_of(frames[n], n) for n in chosen], plan.modality, uid=str(part + 1)
            )
            image.ConcatenationUID, image.InConcatenationNumber = "1.2.3.4", part + 1
            if total:
                image.InConcatenationTotalNumber = parts
            image.ConcatenationFrameOffsetNumber = part * size
            images.append(image)
        write([images[n] for n in keep], home)
        return [plan.truth]

    return build


hazard("e04_concatenation", "load error", "CONCATENATION")(concatenated(3, keep=[2, 0, 1]))
hazard("e04_concatenation_incomplete", "error", "CONCATENATION", more=True)(concatenated(3, keep=[0, 1]))
hazard("e04_concatenation_of_untold_parts", "warn", "CONCATENATION", more=True)(
    concatenated(3, keep=[2, 0, 1], total=False)
)
hazard("e04_concatenation_of_untold_parts_incomplete", "error", "CONCATENATION", more=True)(
    concatenated(3, keep=[0, 2], total=False)
)


@hazard("e06_shared_orientation_per_frame_position_and_back", "load", more=True)
def per_frame_orientation(home, plan):
    """Orientation and measures in each frame, nothing shared."""
    frames = plan.series()
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    image = multiframe(frames, groups, plan.modality)
    shared = image.SharedFunctionalGroupsSequence[0]
    for group in groups:
        group.PlaneOrientationSequence, group.PixelMeasuresSequence = (
            shared.PlaneOrientationSequence,
            shared.PixelMeasuresSequence,
        )
    image.SharedFunctionalGroupsSequence = [Dataset()]
    write([image], home)
    return [plan.truth]


@hazard("e06_half_of_the_frames_use_the_shared_spacing", "load", more=True)
def half_shared(home, plan):
    frames = plan.series()
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    image = multiframe(frames, groups, plan.modality)
    for group in groups[::2]:
        group.PixelMeasuresSequence = image.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    write([image], home)
    return [plan.truth]


@hazard("e06_position_shared_by_all_frames", "error", "NOT_A_VOLUME", more=True)
def shared_position(home, plan):
    """A position in the shared groups is that of every frame."""
    frames = plan.series()
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    image = multiframe(frames, groups, plan.modality)
    image.SharedFunctionalGroupsSequence[0].PlanePositionSequence = groups[0].PlanePositionSequence
    for group in groups:
        del group.PlanePositionSequence
    write([image], home)
    return [plan.truth]


@hazard("e06_position_at_the_top_level_only", "error", "MISSING_POSITION", more=True)
def top_level_position(home, plan):
    frames = plan.series()
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    image = multiframe(frames, groups, plan.modality)
    for group in groups:
        del group.PlanePositionSequence
    image.ImagePositionPatient, image.ImageOrientationPatient = (
        frames[0].ImagePositionPatient,
        frames[0].ImageOrientationPatient,
    )
    write([image], home)
    return [plan.truth]


@hazard("e07_legacy_converted", "load", more=True)
def legacy_converted(home, plan):
    """Groups that were not converted stay, as an unassigned sequence, in each frame."""
    frames = plan.series()
    groups = [groups_of(f, n) for n, f in enumerate(frames)]
    for group, frame in zip(groups, frames, strict=True):
        own = item(SliceLocation=decimal(float(frame.ImagePositionPatient[2])))
        group.UnassignedPerFrameConvertedAttributesSequence = [own]
    write([multiframe(frames, groups, plan.modality, classes=LEGACY)], home)
    return [plan.truth]


@hazard("e07_legacy_converted_echoes", *SPLIT, only="MR", more=True)
def legacy_echoes(home, plan):
    """What tells the volumes apart stayed in the converted attributes of the frames."""
    pairs = []
    for number, echo in enumerate(("12", "80")):
        for n, frame in enumerate(plan.series(level=60.0 * number)):
            group = groups_of(frame, n)
            group.UnassignedPerFrameConvertedAttributesSequence = [item(EchoTime=echo, EchoNumbers=number + 1)]
            pairs.append((frame, group))
    write([multiframe([f for f, _ in pairs], [g for _, g in pairs], plan.modality, classes=LEGACY)], home)
    return [at(plan, 0.0), at(plan, 60.0)]


@hazard("e08_fewer_groups_than_frames", "error", "FRAME_COUNT_MISMATCH", more=True)
def fewer_groups(home, plan):
    image = enhanced(plan)
    image.PerFrameFunctionalGroupsSequence = image.PerFrameFunctionalGroupsSequence[:-1]
    write([image], home)
    return [plan.truth]


@hazard("e08_more_frames_than_pixels", "error", "TRUNCATED_PIXEL_DATA", more=True)
def more_frames(home, plan):
    image = enhanced(plan)
    image.PixelData = image.PixelData[: -2 * plan.rows * plan.columns]
    write([image], home)
    return [plan.truth]


@hazard("e09_one_image_for_each_phase", *SPLIT, more=True)
def image_each(home, plan):
    write([enhanced(plan, uid="1"), enhanced(plan, shuffled(plan), uid="2", level=60.0)], home)
    return [at(plan, 0.0), at(plan, 60.0)]


@hazard("e10_compressed_frames_in_fragments", "load", more=True)
def compressed_frames(home, plan):
    plan = replace(plan, count=24)
    image = enhanced(plan, shuffled(plan))
    syntax, encode = CODECS["jpeg_2000"]
    samples = stored(image).reshape(plan.count, plan.rows, plan.columns).astype(np.uint16)
    streams = [bytes(encode(plane)) for plane in samples]
    image.file_meta.TransferSyntaxUID = syntax
    image.PixelRepresentation = 0
    image.PixelData = encapsulate(streams, fragments_per_frame=2)
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    write([image], home)
    return [plan.truth]


@hazard("e11_tilted_enhanced", "warn", "GANTRY_TILT", only="CT", tilt_deg=12.0, more=True)
def tilted(home, plan):
    write([enhanced(plan, shuffled(plan))], home)
    return [plan.truth]


@hazard("e12_classic_multiframe_without_places", "error", "MISSING_POSITION", more=True)
def no_groups(home, plan):
    image = enhanced(plan)
    del image.PerFrameFunctionalGroupsSequence, image.SharedFunctionalGroupsSequence
    write([image], home)
    return [plan.truth]
