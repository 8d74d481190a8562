"""Write the files of microscopes: their indexes, stacks, files with several channels, and OME-Zarr plates."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tifffile
import zarr

from lib.wells import get_well_place

V5 = "http://www.perkinelmer.com/PEHH/HarmonyV5"
V7 = "43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7"
# The elements of each image before version 6, and of the channel's entry below Maps since then.
SHARED = {"ImageResolutionX": "5e-07", "ImageSizeX": "64", "BinningX": "2", "ExposureTime": "0.1"}


def harmony_name(well: str, site: int, channel: int, plane: int = 1, time: int = 0) -> str:
    """Return the name that Harmony gives an image."""
    row, column = get_well_place(well)
    return f"r{row:02d}c{column:02d}f{site:02d}p{plane:02d}-ch{channel}sk{time + 1}fk1fl1.tiff"


def write_harmony_index(
    path: Path,
    wells: Iterable[str],
    channels: Mapping[int, str],
    sites: int = 1,
    planes: int = 1,
    times: Iterable[int] = (0,),
    plates: Iterable[str] = ("P1",),
    version: int = 5,
) -> Path:
    """Write an index of Harmony: before version 6 each image repeats its channel's description."""
    wells, plates = list(wells), list(plates)
    parts = [f'<EvaluationInputData Version="1" xmlns="{V5 if version < 6 else V7}"><Plates>']
    for plate in plates:
        inside = "".join(f'<Well id="{well}" />' for well in wells)
        parts.append(
            f"<Plate><PlateID>{plate}</PlateID><MeasurementID>m-{plate}</MeasurementID><Name>{plate}</Name>"
            f"<PlateRows>16</PlateRows><PlateColumns>24</PlateColumns>{inside}</Plate>"
        )
    parts.append("</Plates><Wells>")
    images = []
    for well in wells:
        row, column = get_well_place(well)
        identifiers = []
        for site in range(1, sites + 1):
            for plane in range(1, planes + 1):
                for time in times:
                    for number, name in channels.items():
                        identifier = f"{well}K{time}F{site}P{plane}R{number}"
                        identifiers.append(identifier)
                        values = {
                            "id": identifier,
                            "State": "Ok",
                            "URL": harmony_name(well, site, number, plane, time),
                            "Row": row,
                            "Col": column,
                            "FieldID": site,
                            "PlaneID": plane,
                            "TimepointID": time,
                            "ChannelID": number,
                            "PositionX": 0.001 * site,
                            "PositionZ": 1e-6 * plane,
                        }
                        if version < 6:
                            values |= {"ChannelName": name, **SHARED}
                        images.append(as_xml("Image", values))
        inside = "".join(f'<Image id="{identifier}" />' for identifier in identifiers)
        parts.append(f"<Well><id>{well}</id><Row>{row}</Row><Col>{column}</Col>{inside}</Well>")
    parts.append("</Wells><Maps><Map>")
    for number, name in channels.items():
        values = {"ChannelName": name, **SHARED} if version >= 6 else {"FlatfieldProfile": "{}"}
        parts.append(f'<Entry ChannelID="{number}">{as_xml("", values)}</Entry>')
    parts.append("</Map></Maps><Images>" + "".join(images) + "</Images></EvaluationInputData>")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(parts), encoding="utf-8-sig")
    return path


def as_xml(name: str, values: Mapping[str, object]) -> str:
    """Return elements for values, within an element if it has a name."""
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in values.items())
    return f"<{name}>{inside}</{name}>" if name else inside


def write_htd(
    path: Path,
    wells: Iterable[str],
    waves: Iterable[str],
    shape: tuple[int, int] = (2, 3),
    sites: tuple[str, ...] = ("TRUE",),
    stacks: bool = False,
) -> Path:
    """Write an index of MetaXpress; `sites` are the selected ones in a row."""
    chosen = {get_well_place(well) for well in wells}
    lines = ['"HTSInfoFile", Version 1.0', '"Description", "x, y"', '"TimePoints", 1']
    lines += [f'"ZSeries", {str(stacks).upper()}', f'"XWells", {shape[1]}', f'"YWells", {shape[0]}']
    for row in range(1, shape[0] + 1):
        values = [str((row, column) in chosen).upper() for column in range(1, shape[1] + 1)]
        lines.append(f'"WellsSelection{row}", {", ".join(values)}')
    several = len(sites) > 1
    lines.append(f'"Sites", {str(several).upper()}')
    if several:
        lines += [f'"XSites", {len(sites)}', '"YSites", 1', f'"SiteSelection1", {", ".join(sites)}']
    waves = list(waves)
    lines += [f'"Waves", {str(len(waves) > 1).upper()}', f'"NWavelengths", {len(waves)}']
    lines += [f'"WaveName{number}", "{name}"' for number, name in enumerate(waves, start=1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\r\n".join([*lines, '"EndFile"', ""]))
    return path


def write_mlf(
    folder: Path, records: Iterable[tuple[str, int, int, int, str]], names: Mapping[int, str]
) -> Path:
    """Write the index of CellVoyager: (well, site, channel, plane, file or '' if it failed)."""
    folder.mkdir(parents=True, exist_ok=True)
    space = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
    lines = []
    for well, site, channel, plane, file in records:
        row, column = get_well_place(well)
        kind = "IMG" if file else "ERR"
        lines.append(
            f'<bts:MeasurementRecord bts:Time="t" bts:Column="{column}" bts:Row="{row}" '
            f'bts:FieldIndex="{site}" bts:TimePoint="1" bts:ZIndex="{plane}" bts:X="1.5" bts:Y="2.5" '
            f'bts:Type="{kind}" bts:Ch="{channel}">'
            f"{file or 'focus failed'}</bts:MeasurementRecord>"
        )
    path = folder / "MeasurementData.mlf"
    path.write_text(f"<bts:MeasurementData {space}>{''.join(lines)}</bts:MeasurementData>")
    channels = "".join(
        f'<bts:MeasurementChannel bts:Ch="{number}" bts:HorizontalPixelDimension="0.325" />'
        for number in names
    )
    (folder / "MeasurementDetail.mrf").write_text(
        f'<bts:MeasurementDetail {space} bts:Title="AP1" bts:RowCount="16" bts:ColumnCount="24">{channels}'
        "</bts:MeasurementDetail>"
    )
    listed = "".join(
        f'<bts:Channel bts:Ch="{number}" bts:Target="{name}" />' for number, name in names.items()
    )
    (folder / "Setting.mes").write_text(
        f"<bts:MeasurementSetting "
        f"{space}><bts:ChannelList>{listed}</bts:ChannelList></bts:MeasurementSetting>"
    )
    return path


# --- images ---------------------------------------------------------------------------------------


def blurred_stack(sharp: np.ndarray, planes: int, at: int) -> list[np.ndarray]:
    """Return planes; number `at` (from 0) is the image itself, the others are means over growing squares.

    No plane is brighter than the image in any pixel, so that their maximum is the image too.
    """
    stack = []
    for number in range(planes):
        width = abs(number - at)
        padded = np.pad(sharp, width, mode="edge")
        shape = sharp.shape
        shifted = [
            padded[down : down + shape[0], across : across + shape[1]]
            for down in range(2 * width + 1)
            for across in range(2 * width + 1)
        ]
        mean = np.mean(shifted, axis=0).astype(sharp.dtype)
        stack.append(np.minimum(mean, sharp) if width else sharp)
    return stack


def write_ome_tiffs(
    folder: Path, images: Mapping[str, np.ndarray], channels: Sequence[str], companion: str = ""
) -> list[Path]:
    """Write one OME-TIFF file per position, (channels, rows, columns), as Micro-Manager does.

    The metadata of each file describe all positions. With the name of a `companion`, they are in that file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = ""
    for number, (name, pixels) in enumerate(images.items()):
        rows, columns = pixels.shape[1:]
        inside = "".join(
            f'<Channel ID="Channel:{number}:{at}" Name="{each}"/>' for at, each in enumerate(channels)
        )
        for at in range(len(channels)):
            own = f'<UUID FileName="{name}">id-{name}</UUID>'
            inside += f'<TiffData IFD="{at}" FirstC="{at}" PlaneCount="1">{own}</TiffData>'
        described += (
            f'<Image ID="Image:{number}" Name="position {number}"><Pixels ID="Pixels:{number}" Type="uint16" '
            f'DimensionOrder="XYCZT" SizeX="{columns}" SizeY="{rows}" SizeC="{len(channels)}" SizeZ="1" '
            f'SizeT="1">{inside}</Pixels></Image>'
        )
    space = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
    if companion:
        (folder / companion).write_text(f"<OME {space}>{described}</OME>")
        described = f'<BinaryOnly MetadataFile="{companion}" UUID="id-companion"/>'
    for name, pixels in images.items():
        text = f'<?xml version="1.0" encoding="UTF-8"?><OME {space} UUID="id-{name}">{described}</OME>'
        tifffile.imwrite(
            folder / name, pixels, photometric="minisblack", metadata=None, description=text.encode()
        )
    return [folder / name for name in images]


def write_ome_zarr(
    folder: Path,
    wells: Mapping[str, Mapping[str, np.ndarray]],
    channels: Iterable[str],
    version: str = "0.4",
    chunks: tuple[int, ...] | None = None,
) -> Path:
    """Write an OME-Zarr plate from the fields of each well, (channels, [planes,] rows, columns)."""
    form = 2 if version == "0.4" else 3

    def attributes(values: dict) -> dict:
        return values if form == 2 else {"ome": {"version": version, **values}}

    root = zarr.open_group(str(folder), mode="w", zarr_format=form)
    rows = sorted({well[0] for well in wells})
    columns = sorted({str(int(well[1:])) for well in wells})
    listed = [
        {
            "path": f"{well[0]}/{int(well[1:])}",
            "rowIndex": rows.index(well[0]),
            "columnIndex": columns.index(str(int(well[1:]))),
        }
        for well in wells
    ]
    plate = {
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "wells": listed,
    }
    root.attrs.update(attributes({"plate": plate}))
    for entry, fields in zip(listed, wells.values(), strict=True):
        well = root.create_group(entry["path"])
        well.attrs.update(attributes({"well": {"images": [{"path": name} for name in fields]}}))
        for name, pixels in fields.items():
            image = well.create_group(name)
            axes = "cyx" if pixels.ndim == 3 else "czyx"
            scale = {"type": "scale", "scale": [1.0] * (pixels.ndim - 2) + [0.5, 0.5]}
            kinds = {"c": "channel", "z": "space", "y": "space", "x": "space"}
            values = {
                "multiscales": [
                    {
                        "axes": [
                            {
                                "name": axis,
                                "type": kinds[axis],
                                **({"unit": "micrometer"} if axis != "c" else {}),
                            }
                            for axis in axes
                        ],
                        "datasets": [{"path": "0", "coordinateTransformations": [scale]}],
                    }
                ],
                "omero": {"channels": [{"label": channel} for channel in channels]},
            }
            image.attrs.update(attributes(values))
            of_planes = (1,) * (pixels.ndim - 2) + pixels.shape[-2:]
            image.create_array("0", data=pixels, chunks=chunks or of_planes)
    return folder


def write_ome_zarr_labels(image: Path, labels: Mapping[str, np.ndarray], version: str = "0.4") -> None:
    """Write label images below an image of an OME-Zarr plate, with or without axes of length 1."""
    form = 2 if version == "0.4" else 3
    group = zarr.open_group(str(image), mode="r+", zarr_format=form).create_group("labels")
    listed = {"labels": list(labels)}
    group.attrs.update(listed if form == 2 else {"ome": {"version": version, **listed}})
    for name, pixels in labels.items():
        one = group.create_group(name)
        axes = [
            {"name": axis, "type": "channel" if axis == "c" else "space"} for axis in "czyx"[-pixels.ndim :]
        ]
        scale = {"type": "scale", "scale": [1.0] * pixels.ndim}
        values = {
            "multiscales": [
                {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": [scale]}]}
            ],
            "image-label": {"source": {"image": "../../"}},
        }
        one.attrs.update(values if form == 2 else {"ome": {"version": version, **values}})
        one.create_array("0", data=pixels, chunks=pixels.shape)


def write_ome_tiff(path: Path, pixels: np.ndarray, axes: str, channels: Iterable[str] | None = None) -> Path:
    """Write an OME-TIFF with the names of its channels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {"axes": axes, "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm"}
    if channels:
        metadata["Channel"] = {"Name": list(channels)}
    tifffile.imwrite(path, pixels, ome=True, metadata=metadata, photometric="minisblack")
    return path


def write_czi(path: Path, scenes: Iterable[np.ndarray], channels: Iterable[str]) -> Path:
    """Write a CZI file of scenes, each (channels, planes, rows, columns), side by side on the stage."""
    from pylibCZIrw import czi

    path.parent.mkdir(parents=True, exist_ok=True)
    with czi.create_czi(str(path)) as document:
        for number, pixels in enumerate(scenes):
            for channel, planes in enumerate(pixels):
                for plane, image in enumerate(planes):
                    document.write(
                        np.ascontiguousarray(image[..., None]),
                        plane={"C": channel, "Z": plane, "T": 0},
                        scene=number,
                        location=(number * 2 * image.shape[1], 0),
                    )
        names = dict(enumerate(channels))
        document.write_metadata("test", channel_names=names, scale_x=0.5e-6, scale_y=0.5e-6)
    return path


def write_lif(path: Path, images: Mapping[str, np.ndarray]) -> Path:
    """Write a LIF file of images, each (channels, planes, rows, columns), by its public description."""

    def block(data: bytes) -> bytes:
        return struct.pack("<II", 0x70, len(data)) + data

    def text(words: str) -> bytes:
        return struct.pack("<BI", 0x2A, len(words)) + words.encode("utf-16-le")

    elements, memory = [], []
    for number, (name, pixels) in enumerate(images.items()):
        channels, planes, rows, columns = pixels.shape
        size = pixels.itemsize
        of_channel = planes * rows * columns * size
        described = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{8 * size}" Min="0" Max="65535" '
            f'Unit="" NameOfMeasuredQuantity="" LUTName="Gray" IsLUTInverted="0" '
            f'BytesInc="{at * of_channel}" BitInc="0" />'
            for at in range(channels)
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{axis}" NumberOfElements="{length}" Origin="0" Length="1e-4" '
            f'Unit="m" BitInc="0" BytesInc="{step}" />'
            for axis, length, step in (
                (1, columns, size),
                (2, rows, columns * size),
                (3, planes, rows * columns * size),
            )
        )
        elements.append(
            f'<Element Name="{name}" Visibility="1" UniqueID="u{number}"><Data><Image><ImageDescription>'
            f"<Channels>{described}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{number}" /></Element>'
        )
        head = struct.pack("<BQ", 0x2A, pixels.nbytes) + text(f"MemBlock_{number}")
        memory.append(block(head) + pixels.tobytes())
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="P" Visibility="1" UniqueID="p"><Data />'
        f'<Memory Size="0" MemoryBlockID="MemBlock_p" /><Children>{"".join(elements)}</Children></Element>'
        "</LMSDataContainerHeader>"
    )
    memory.append(block(struct.pack("<BQ", 0x2A, 0) + text("MemBlock_p")))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(block(text(xml)) + b"".join(memory))
    return path
