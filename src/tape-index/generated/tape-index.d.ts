import * as $protobuf from "protobufjs/minimal.js";
import Long = require("long");

/** Namespace reelmap. */
export namespace reelmap {

    /** Namespace index. */
    namespace index {

        /** Namespace v1. */
        namespace v1 {

            /**
             * Properties of a Page.
             * @deprecated Use reelmap.index.v1.Page.$Properties instead.
             */
            interface IPage extends reelmap.index.v1.Page.$Properties {
            }

            /** Represents a Page. */
            class Page {

                /**
                 * Constructs a new Page.
                 * @param [properties] Properties to set
                 */
                constructor(properties?: reelmap.index.v1.Page.$Properties);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];

                /** Page pageCount. */
                pageCount: number;

                /** Page nextName. */
                nextName?: (Uint8Array|null);

                /** Page nameLead. */
                nameLead: Uint8Array;

                /** Page nameMore. */
                nameMore: number[];

                /** Page nameBytes. */
                nameBytes: Uint8Array;

                /** Page nameRow. */
                nameRow: Uint8Array;

                /** Page namePlace. */
                namePlace: Uint8Array;

                /** Page inodeStep. */
                inodeStep: number[];

                /** Page recordRow. */
                recordRow: number[];

                /** Page classMode. */
                classMode: number[];

                /** Page classUid. */
                classUid: number[];

                /** Page classGid. */
                classGid: number[];

                /** Page classOf. */
                classOf: Uint8Array;

                /** Page generation. */
                generation: number[];

                /** Page size. */
                size: number[];

                /** Page ctimeBase. */
                ctimeBase: number;

                /** Page ctimeStepNs. */
                ctimeStepNs: number[];

                /** Page mtimeOffsetNs. */
                mtimeOffsetNs: number[];

                /** Page atimeOffsetNs. */
                atimeOffsetNs: number[];

                /** Page ctimeStep. */
                ctimeStep: number[];

                /** Page mtimeOffset. */
                mtimeOffset: number[];

                /** Page mtimeStep. */
                mtimeStep: number[];

                /** Page atimeOffset. */
                atimeOffset: number[];

                /** Page atimeStep. */
                atimeStep: number[];

                /** Page ctimeNs. */
                ctimeNs: number[];

                /** Page mtimeNsOffset. */
                mtimeNsOffset: number[];

                /** Page mtimeNs. */
                mtimeNs: number[];

                /** Page atimeNsOffset. */
                atimeNsOffset: number[];

                /** Page atimeNs. */
                atimeNs: number[];

                /** Page linkRow. */
                linkRow: number[];

                /** Page linkCount. */
                linkCount: number[];

                /** Page deviceRow. */
                deviceRow: number[];

                /** Page deviceMajor. */
                deviceMajor: number[];

                /** Page deviceMinor. */
                deviceMinor: number[];

                /** Page flagRow. */
                flagRow: number[];

                /** Page flagBits. */
                flagBits: number[];

                /** Page unitShift. */
                unitShift: number;

                /** Page extentCount. */
                extentCount: number[];

                /** Page extentKind. */
                extentKind: Uint8Array;

                /** Page extentGap. */
                extentGap: number[];

                /** Page extentLength. */
                extentLength: number[];

                /** Page extentStart. */
                extentStart: number[];

                /** Page literals. */
                literals: Uint8Array;

                /** Page xattrRow. */
                xattrRow: number[];

                /** Page xattrIndex. */
                xattrIndex: number[];

                /** Page xattrName. */
                xattrName: Uint8Array[];

                /** Page xattrValue. */
                xattrValue: Uint8Array[];

                /** Page problemRow. */
                problemRow: number[];

                /** Page problemIndex. */
                problemIndex: number[];

                /** Page problemText. */
                problemText: string[];

                /**
                 * Encodes the specified Page message. Does not implicitly {@link reelmap.index.v1.Page.verify|verify} messages.
                 * @param message Page message or plain object to encode
                 * @param [writer] Writer to encode to
                 * @returns Writer
                 */
                static encode(message: reelmap.index.v1.Page.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

                /**
                 * Decodes a Page message from the specified reader or buffer.
                 * @param reader Reader or buffer to decode from
                 * @param [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.Page & reelmap.index.v1.Page.$Shape} Page
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): reelmap.index.v1.Page & reelmap.index.v1.Page.$Shape;
            }

            namespace Page {

                /** Properties of a Page. */
                interface $Properties {

                    /** Page pageCount */
                    pageCount?: (number|null);

                    /** Page nextName */
                    nextName?: (Uint8Array|null);

                    /** Page nameLead */
                    nameLead?: (Uint8Array|null);

                    /** Page nameMore */
                    nameMore?: (number[]|null);

                    /** Page nameBytes */
                    nameBytes?: (Uint8Array|null);

                    /** Page nameRow */
                    nameRow?: (Uint8Array|null);

                    /** Page namePlace */
                    namePlace?: (Uint8Array|null);

                    /** Page inodeStep */
                    inodeStep?: (number[]|null);

                    /** Page recordRow */
                    recordRow?: (number[]|null);

                    /** Page classMode */
                    classMode?: (number[]|null);

                    /** Page classUid */
                    classUid?: (number[]|null);

                    /** Page classGid */
                    classGid?: (number[]|null);

                    /** Page classOf */
                    classOf?: (Uint8Array|null);

                    /** Page generation */
                    generation?: (number[]|null);

                    /** Page size */
                    size?: (number[]|null);

                    /** Page ctimeBase */
                    ctimeBase?: (number|null);

                    /** Page ctimeStepNs */
                    ctimeStepNs?: (number[]|null);

                    /** Page mtimeOffsetNs */
                    mtimeOffsetNs?: (number[]|null);

                    /** Page atimeOffsetNs */
                    atimeOffsetNs?: (number[]|null);

                    /** Page ctimeStep */
                    ctimeStep?: (number[]|null);

                    /** Page mtimeOffset */
                    mtimeOffset?: (number[]|null);

                    /** Page mtimeStep */
                    mtimeStep?: (number[]|null);

                    /** Page atimeOffset */
                    atimeOffset?: (number[]|null);

                    /** Page atimeStep */
                    atimeStep?: (number[]|null);

                    /** Page ctimeNs */
                    ctimeNs?: (number[]|null);

                    /** Page mtimeNsOffset */
                    mtimeNsOffset?: (number[]|null);

                    /** Page mtimeNs */
                    mtimeNs?: (number[]|null);

                    /** Page atimeNsOffset */
                    atimeNsOffset?: (number[]|null);

                    /** Page atimeNs */
                    atimeNs?: (number[]|null);

                    /** Page linkRow */
                    linkRow?: (number[]|null);

                    /** Page linkCount */
                    linkCount?: (number[]|null);

                    /** Page deviceRow */
                    deviceRow?: (number[]|null);

                    /** Page deviceMajor */
                    deviceMajor?: (number[]|null);

                    /** Page deviceMinor */
                    deviceMinor?: (number[]|null);

                    /** Page flagRow */
                    flagRow?: (number[]|null);

                    /** Page flagBits */
                    flagBits?: (number[]|null);

                    /** Page unitShift */
                    unitShift?: (number|null);

                    /** Page extentCount */
                    extentCount?: (number[]|null);

                    /** Page extentKind */
                    extentKind?: (Uint8Array|null);

                    /** Page extentGap */
                    extentGap?: (number[]|null);

                    /** Page extentLength */
                    extentLength?: (number[]|null);

                    /** Page extentStart */
                    extentStart?: (number[]|null);

                    /** Page literals */
                    literals?: (Uint8Array|null);

                    /** Page xattrRow */
                    xattrRow?: (number[]|null);

                    /** Page xattrIndex */
                    xattrIndex?: (number[]|null);

                    /** Page xattrName */
                    xattrName?: (Uint8Array[]|null);

                    /** Page xattrValue */
                    xattrValue?: (Uint8Array[]|null);

                    /** Page problemRow */
                    problemRow?: (number[]|null);

                    /** Page problemIndex */
                    problemIndex?: (number[]|null);

                    /** Page problemText */
                    problemText?: (string[]|null);

                    /** Unknown fields preserved while decoding when enabled */
                    $unknowns?: Uint8Array[];
                }

                /** Shape of a Page. */
                type $Shape = reelmap.index.v1.Page.$Properties;
            }

            /**
             * Properties of a Roster.
             * @deprecated Use reelmap.index.v1.Roster.$Properties instead.
             */
            interface IRoster extends reelmap.index.v1.Roster.$Properties {
            }

            /** Represents a Roster. */
            class Roster {

                /**
                 * Constructs a new Roster.
                 * @param [properties] Properties to set
                 */
                constructor(properties?: reelmap.index.v1.Roster.$Properties);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];

                /** Roster numberStep. */
                numberStep: number[];

                /** Roster next. */
                next?: (number|null);

                /**
                 * Encodes the specified Roster message. Does not implicitly {@link reelmap.index.v1.Roster.verify|verify} messages.
                 * @param message Roster message or plain object to encode
                 * @param [writer] Writer to encode to
                 * @returns Writer
                 */
                static encode(message: reelmap.index.v1.Roster.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

                /**
                 * Decodes a Roster message from the specified reader or buffer.
                 * @param reader Reader or buffer to decode from
                 * @param [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.Roster & reelmap.index.v1.Roster.$Shape} Roster
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): reelmap.index.v1.Roster & reelmap.index.v1.Roster.$Shape;
            }

            namespace Roster {

                /** Properties of a Roster. */
                interface $Properties {

                    /** Roster numberStep */
                    numberStep?: (number[]|null);

                    /** Roster next */
                    next?: (number|null);

                    /** Unknown fields preserved while decoding when enabled */
                    $unknowns?: Uint8Array[];
                }

                /** Shape of a Roster. */
                type $Shape = reelmap.index.v1.Roster.$Properties;
            }

            /**
             * Properties of a RunPage.
             * @deprecated Use reelmap.index.v1.RunPage.$Properties instead.
             */
            interface IRunPage extends reelmap.index.v1.RunPage.$Properties {
            }

            /** Represents a RunPage. */
            class RunPage {

                /**
                 * Constructs a new RunPage.
                 * @param [properties] Properties to set
                 */
                constructor(properties?: reelmap.index.v1.RunPage.$Properties);

                /** Unknown fields preserved while decoding when enabled */
                $unknowns?: Uint8Array[];

                /** RunPage unitShift. */
                unitShift: number;

                /** RunPage gap. */
                gap: number[];

                /** RunPage length. */
                length: number[];

                /** RunPage storedBefore. */
                storedBefore: number;

                /** RunPage nextStart. */
                nextStart?: (number|null);

                /** RunPage runCount. */
                runCount: number;

                /**
                 * Encodes the specified RunPage message. Does not implicitly {@link reelmap.index.v1.RunPage.verify|verify} messages.
                 * @param message RunPage message or plain object to encode
                 * @param [writer] Writer to encode to
                 * @returns Writer
                 */
                static encode(message: reelmap.index.v1.RunPage.$Properties, writer?: $protobuf.Writer): $protobuf.Writer;

                /**
                 * Decodes a RunPage message from the specified reader or buffer.
                 * @param reader Reader or buffer to decode from
                 * @param [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.RunPage & reelmap.index.v1.RunPage.$Shape} RunPage
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                static decode(reader: ($protobuf.Reader|Uint8Array), length?: number): reelmap.index.v1.RunPage & reelmap.index.v1.RunPage.$Shape;
            }

            namespace RunPage {

                /** Properties of a RunPage. */
                interface $Properties {

                    /** RunPage unitShift */
                    unitShift?: (number|null);

                    /** RunPage gap */
                    gap?: (number[]|null);

                    /** RunPage length */
                    length?: (number[]|null);

                    /** RunPage storedBefore */
                    storedBefore?: (number|null);

                    /** RunPage nextStart */
                    nextStart?: (number|null);

                    /** RunPage runCount */
                    runCount?: (number|null);

                    /** Unknown fields preserved while decoding when enabled */
                    $unknowns?: Uint8Array[];
                }

                /** Shape of a RunPage. */
                type $Shape = reelmap.index.v1.RunPage.$Properties;
            }
        }
    }
}
