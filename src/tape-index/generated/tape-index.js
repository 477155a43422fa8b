/*eslint-disable block-scoped-var, id-length, no-control-regex, no-magic-numbers, no-mixed-operators, no-prototype-builtins, no-redeclare, no-shadow, no-var, sort-vars, default-case, jsdoc/require-param*/
import $protobuf from "protobufjs/minimal.js";

// Common aliases
const $Reader = $protobuf.Reader, $Writer = $protobuf.Writer, $util = $protobuf.util;
const $Object = $util.global.Object, $undefined = $util.global.undefined, $Error = $util.global.Error, $RangeError = $util.global.RangeError;

// Exported root namespace
const $root = $protobuf.roots["default"] || ($protobuf.roots["default"] = {});

export const reelmap = $root.reelmap = (() => {

    /**
     * Namespace reelmap.
     * @exports reelmap
     * @namespace
     */
    const reelmap = {};

    reelmap.index = (function() {

        /**
         * Namespace index.
         * @memberof reelmap
         * @namespace
         */
        const index = {};

        index.v1 = (function() {

            /**
             * Namespace v1.
             * @memberof reelmap.index
             * @namespace
             */
            const v1 = {};

            v1.Page = (function() {

                /**
                 * Properties of a Page.
                 * @typedef {Object} reelmap.index.v1.Page.$Properties
                 * @property {number|null} [pageCount] Page pageCount
                 * @property {Uint8Array|null} [nextName] Page nextName
                 * @property {Uint8Array|null} [nameLead] Page nameLead
                 * @property {Array.<number>|null} [nameMore] Page nameMore
                 * @property {Uint8Array|null} [nameBytes] Page nameBytes
                 * @property {Uint8Array|null} [nameRow] Page nameRow
                 * @property {Uint8Array|null} [namePlace] Page namePlace
                 * @property {Array.<number>|null} [inodeStep] Page inodeStep
                 * @property {Array.<number>|null} [recordRow] Page recordRow
                 * @property {Array.<number>|null} [classMode] Page classMode
                 * @property {Array.<number>|null} [classUid] Page classUid
                 * @property {Array.<number>|null} [classGid] Page classGid
                 * @property {Uint8Array|null} [classOf] Page classOf
                 * @property {Array.<number>|null} [generation] Page generation
                 * @property {Array.<number>|null} [size] Page size
                 * @property {number|null} [ctimeBase] Page ctimeBase
                 * @property {Array.<number>|null} [ctimeStepNs] Page ctimeStepNs
                 * @property {Array.<number>|null} [mtimeOffsetNs] Page mtimeOffsetNs
                 * @property {Array.<number>|null} [atimeOffsetNs] Page atimeOffsetNs
                 * @property {Array.<number>|null} [ctimeStep] Page ctimeStep
                 * @property {Array.<number>|null} [mtimeOffset] Page mtimeOffset
                 * @property {Array.<number>|null} [mtimeStep] Page mtimeStep
                 * @property {Array.<number>|null} [atimeOffset] Page atimeOffset
                 * @property {Array.<number>|null} [atimeStep] Page atimeStep
                 * @property {Array.<number>|null} [ctimeNs] Page ctimeNs
                 * @property {Array.<number>|null} [mtimeNsOffset] Page mtimeNsOffset
                 * @property {Array.<number>|null} [mtimeNs] Page mtimeNs
                 * @property {Array.<number>|null} [atimeNsOffset] Page atimeNsOffset
                 * @property {Array.<number>|null} [atimeNs] Page atimeNs
                 * @property {Array.<number>|null} [linkRow] Page linkRow
                 * @property {Array.<number>|null} [linkCount] Page linkCount
                 * @property {Array.<number>|null} [deviceRow] Page deviceRow
                 * @property {Array.<number>|null} [deviceMajor] Page deviceMajor
                 * @property {Array.<number>|null} [deviceMinor] Page deviceMinor
                 * @property {Array.<number>|null} [flagRow] Page flagRow
                 * @property {Array.<number>|null} [flagBits] Page flagBits
                 * @property {number|null} [unitShift] Page unitShift
                 * @property {Array.<number>|null} [extentCount] Page extentCount
                 * @property {Uint8Array|null} [extentKind] Page extentKind
                 * @property {Array.<number>|null} [extentGap] Page extentGap
                 * @property {Array.<number>|null} [extentLength] Page extentLength
                 * @property {Array.<number>|null} [extentStart] Page extentStart
                 * @property {Uint8Array|null} [literals] Page literals
                 * @property {Array.<number>|null} [xattrRow] Page xattrRow
                 * @property {Array.<number>|null} [xattrIndex] Page xattrIndex
                 * @property {Array.<Uint8Array>|null} [xattrName] Page xattrName
                 * @property {Array.<Uint8Array>|null} [xattrValue] Page xattrValue
                 * @property {Array.<number>|null} [problemRow] Page problemRow
                 * @property {Array.<number>|null} [problemIndex] Page problemIndex
                 * @property {Array.<string>|null} [problemText] Page problemText
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */

                /**
                 * Properties of a Page.
                 * @memberof reelmap.index.v1
                 * @interface IPage
                 * @augments reelmap.index.v1.Page.$Properties
                 * @deprecated Use reelmap.index.v1.Page.$Properties instead.
                 */

                /**
                 * Shape of a Page.
                 * @typedef {reelmap.index.v1.Page.$Properties} reelmap.index.v1.Page.$Shape
                 */

                /**
                 * Constructs a new Page.
                 * @memberof reelmap.index.v1
                 * @classdesc Represents a Page.
                 * @constructor
                 * @param {reelmap.index.v1.Page.$Properties=} [properties] Properties to set
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */
                const Page = function (properties) {
                    this.nameMore = [];
                    this.inodeStep = [];
                    this.recordRow = [];
                    this.classMode = [];
                    this.classUid = [];
                    this.classGid = [];
                    this.generation = [];
                    this.size = [];
                    this.ctimeStepNs = [];
                    this.mtimeOffsetNs = [];
                    this.atimeOffsetNs = [];
                    this.ctimeStep = [];
                    this.mtimeOffset = [];
                    this.mtimeStep = [];
                    this.atimeOffset = [];
                    this.atimeStep = [];
                    this.ctimeNs = [];
                    this.mtimeNsOffset = [];
                    this.mtimeNs = [];
                    this.atimeNsOffset = [];
                    this.atimeNs = [];
                    this.linkRow = [];
                    this.linkCount = [];
                    this.deviceRow = [];
                    this.deviceMajor = [];
                    this.deviceMinor = [];
                    this.flagRow = [];
                    this.flagBits = [];
                    this.extentCount = [];
                    this.extentGap = [];
                    this.extentLength = [];
                    this.extentStart = [];
                    this.xattrRow = [];
                    this.xattrIndex = [];
                    this.xattrName = [];
                    this.xattrValue = [];
                    this.problemRow = [];
                    this.problemIndex = [];
                    this.problemText = [];
                    if (properties)
                        for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                            if (properties[keys[i]] != null && keys[i] !== "__proto__")
                                this[keys[i]] = properties[keys[i]];
                };

                /**
                 * Page pageCount.
                 * @member {number} pageCount
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.pageCount = 0;

                /**
                 * Page nextName.
                 * @member {Uint8Array|null|undefined} nextName
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.nextName = null;

                /**
                 * Page nameLead.
                 * @member {Uint8Array} nameLead
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.nameLead = $util.newBuffer([]);

                /**
                 * Page nameMore.
                 * @member {Array.<number>} nameMore
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.nameMore = $util.emptyArray;

                /**
                 * Page nameBytes.
                 * @member {Uint8Array} nameBytes
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.nameBytes = $util.newBuffer([]);

                /**
                 * Page nameRow.
                 * @member {Uint8Array} nameRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.nameRow = $util.newBuffer([]);

                /**
                 * Page namePlace.
                 * @member {Uint8Array} namePlace
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.namePlace = $util.newBuffer([]);

                /**
                 * Page inodeStep.
                 * @member {Array.<number>} inodeStep
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.inodeStep = $util.emptyArray;

                /**
                 * Page recordRow.
                 * @member {Array.<number>} recordRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.recordRow = $util.emptyArray;

                /**
                 * Page classMode.
                 * @member {Array.<number>} classMode
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.classMode = $util.emptyArray;

                /**
                 * Page classUid.
                 * @member {Array.<number>} classUid
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.classUid = $util.emptyArray;

                /**
                 * Page classGid.
                 * @member {Array.<number>} classGid
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.classGid = $util.emptyArray;

                /**
                 * Page classOf.
                 * @member {Uint8Array} classOf
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.classOf = $util.newBuffer([]);

                /**
                 * Page generation.
                 * @member {Array.<number>} generation
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.generation = $util.emptyArray;

                /**
                 * Page size.
                 * @member {Array.<number>} size
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.size = $util.emptyArray;

                /**
                 * Page ctimeBase.
                 * @member {number} ctimeBase
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.ctimeBase = $util.Long ? $util.Long.fromBits(0,0,false) : 0;

                /**
                 * Page ctimeStepNs.
                 * @member {Array.<number>} ctimeStepNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.ctimeStepNs = $util.emptyArray;

                /**
                 * Page mtimeOffsetNs.
                 * @member {Array.<number>} mtimeOffsetNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.mtimeOffsetNs = $util.emptyArray;

                /**
                 * Page atimeOffsetNs.
                 * @member {Array.<number>} atimeOffsetNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.atimeOffsetNs = $util.emptyArray;

                /**
                 * Page ctimeStep.
                 * @member {Array.<number>} ctimeStep
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.ctimeStep = $util.emptyArray;

                /**
                 * Page mtimeOffset.
                 * @member {Array.<number>} mtimeOffset
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.mtimeOffset = $util.emptyArray;

                /**
                 * Page mtimeStep.
                 * @member {Array.<number>} mtimeStep
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.mtimeStep = $util.emptyArray;

                /**
                 * Page atimeOffset.
                 * @member {Array.<number>} atimeOffset
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.atimeOffset = $util.emptyArray;

                /**
                 * Page atimeStep.
                 * @member {Array.<number>} atimeStep
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.atimeStep = $util.emptyArray;

                /**
                 * Page ctimeNs.
                 * @member {Array.<number>} ctimeNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.ctimeNs = $util.emptyArray;

                /**
                 * Page mtimeNsOffset.
                 * @member {Array.<number>} mtimeNsOffset
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.mtimeNsOffset = $util.emptyArray;

                /**
                 * Page mtimeNs.
                 * @member {Array.<number>} mtimeNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.mtimeNs = $util.emptyArray;

                /**
                 * Page atimeNsOffset.
                 * @member {Array.<number>} atimeNsOffset
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.atimeNsOffset = $util.emptyArray;

                /**
                 * Page atimeNs.
                 * @member {Array.<number>} atimeNs
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.atimeNs = $util.emptyArray;

                /**
                 * Page linkRow.
                 * @member {Array.<number>} linkRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.linkRow = $util.emptyArray;

                /**
                 * Page linkCount.
                 * @member {Array.<number>} linkCount
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.linkCount = $util.emptyArray;

                /**
                 * Page deviceRow.
                 * @member {Array.<number>} deviceRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.deviceRow = $util.emptyArray;

                /**
                 * Page deviceMajor.
                 * @member {Array.<number>} deviceMajor
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.deviceMajor = $util.emptyArray;

                /**
                 * Page deviceMinor.
                 * @member {Array.<number>} deviceMinor
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.deviceMinor = $util.emptyArray;

                /**
                 * Page flagRow.
                 * @member {Array.<number>} flagRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.flagRow = $util.emptyArray;

                /**
                 * Page flagBits.
                 * @member {Array.<number>} flagBits
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.flagBits = $util.emptyArray;

                /**
                 * Page unitShift.
                 * @member {number} unitShift
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.unitShift = 0;

                /**
                 * Page extentCount.
                 * @member {Array.<number>} extentCount
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.extentCount = $util.emptyArray;

                /**
                 * Page extentKind.
                 * @member {Uint8Array} extentKind
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.extentKind = $util.newBuffer([]);

                /**
                 * Page extentGap.
                 * @member {Array.<number>} extentGap
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.extentGap = $util.emptyArray;

                /**
                 * Page extentLength.
                 * @member {Array.<number>} extentLength
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.extentLength = $util.emptyArray;

                /**
                 * Page extentStart.
                 * @member {Array.<number>} extentStart
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.extentStart = $util.emptyArray;

                /**
                 * Page literals.
                 * @member {Uint8Array} literals
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.literals = $util.newBuffer([]);

                /**
                 * Page xattrRow.
                 * @member {Array.<number>} xattrRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.xattrRow = $util.emptyArray;

                /**
                 * Page xattrIndex.
                 * @member {Array.<number>} xattrIndex
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.xattrIndex = $util.emptyArray;

                /**
                 * Page xattrName.
                 * @member {Array.<Uint8Array>} xattrName
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.xattrName = $util.emptyArray;

                /**
                 * Page xattrValue.
                 * @member {Array.<Uint8Array>} xattrValue
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.xattrValue = $util.emptyArray;

                /**
                 * Page problemRow.
                 * @member {Array.<number>} problemRow
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.problemRow = $util.emptyArray;

                /**
                 * Page problemIndex.
                 * @member {Array.<number>} problemIndex
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.problemIndex = $util.emptyArray;

                /**
                 * Page problemText.
                 * @member {Array.<string>} problemText
                 * @memberof reelmap.index.v1.Page
                 * @instance
                 */
                Page.prototype.problemText = $util.emptyArray;

                // OneOf field names bound to virtual getters and setters
                let $oneOfFields;

                // Virtual OneOf for proto3 optional field
                $Object.defineProperty(Page.prototype, "_nextName", {
                    get: $util.oneOfGetter($oneOfFields = ["nextName"]),
                    set: $util.oneOfSetter($oneOfFields)
                });

                /**
                 * Encodes the specified Page message. Does not implicitly {@link reelmap.index.v1.Page.verify|verify} messages.
                 * @function encode
                 * @memberof reelmap.index.v1.Page
                 * @static
                 * @param {reelmap.index.v1.Page.$Properties} message Page message or plain object to encode
                 * @param {$protobuf.Writer} [writer] Writer to encode to
                 * @returns {$protobuf.Writer} Writer
                 */
                Page.encode = function (message, writer, _depth) {
                    if (!writer)
                        writer = $Writer.create();
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $util.recursionLimit)
                        throw $Error("max depth exceeded");
                    if (message.pageCount != null && $Object.hasOwnProperty.call(message, "pageCount") && message.pageCount !== 0)
                        writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.pageCount);
                    if (message.nextName != null && $Object.hasOwnProperty.call(message, "nextName"))
                        writer.uint32(/* id 2, wireType 2 =*/18).bytes(message.nextName);
                    if (message.nameLead != null && $Object.hasOwnProperty.call(message, "nameLead") && message.nameLead.length)
                        writer.uint32(/* id 3, wireType 2 =*/26).bytes(message.nameLead);
                    if (message.nameMore != null && message.nameMore.length)
                        writer.uint32(/* id 4, wireType 2 =*/34).uint32s(message.nameMore);
                    if (message.nameBytes != null && $Object.hasOwnProperty.call(message, "nameBytes") && message.nameBytes.length)
                        writer.uint32(/* id 5, wireType 2 =*/42).bytes(message.nameBytes);
                    if (message.nameRow != null && $Object.hasOwnProperty.call(message, "nameRow") && message.nameRow.length)
                        writer.uint32(/* id 6, wireType 2 =*/50).bytes(message.nameRow);
                    if (message.inodeStep != null && message.inodeStep.length)
                        writer.uint32(/* id 7, wireType 2 =*/58).sint64s(message.inodeStep);
                    if (message.extentStart != null && message.extentStart.length)
                        writer.uint32(/* id 8, wireType 2 =*/66).sint64s(message.extentStart);
                    if (message.classMode != null && message.classMode.length)
                        writer.uint32(/* id 9, wireType 2 =*/74).uint32s(message.classMode);
                    if (message.classUid != null && message.classUid.length)
                        writer.uint32(/* id 10, wireType 2 =*/82).uint32s(message.classUid);
                    if (message.classGid != null && message.classGid.length)
                        writer.uint32(/* id 11, wireType 2 =*/90).uint32s(message.classGid);
                    if (message.classOf != null && $Object.hasOwnProperty.call(message, "classOf") && message.classOf.length)
                        writer.uint32(/* id 12, wireType 2 =*/98).bytes(message.classOf);
                    if (message.generation != null && message.generation.length)
                        writer.uint32(/* id 13, wireType 2 =*/106).fixed32s(message.generation);
                    if (message.size != null && message.size.length)
                        writer.uint32(/* id 14, wireType 2 =*/114).uint64s(message.size);
                    if (message.ctimeStep != null && message.ctimeStep.length)
                        writer.uint32(/* id 15, wireType 2 =*/122).sint64s(message.ctimeStep);
                    if (message.mtimeOffset != null && message.mtimeOffset.length)
                        writer.uint32(/* id 16, wireType 2 =*/130).sint64s(message.mtimeOffset);
                    if (message.mtimeStep != null && message.mtimeStep.length)
                        writer.uint32(/* id 17, wireType 2 =*/138).sint64s(message.mtimeStep);
                    if (message.atimeOffset != null && message.atimeOffset.length)
                        writer.uint32(/* id 18, wireType 2 =*/146).sint64s(message.atimeOffset);
                    if (message.atimeStep != null && message.atimeStep.length)
                        writer.uint32(/* id 19, wireType 2 =*/154).sint64s(message.atimeStep);
                    if (message.ctimeNs != null && message.ctimeNs.length)
                        writer.uint32(/* id 20, wireType 2 =*/162).fixed32s(message.ctimeNs);
                    if (message.mtimeNsOffset != null && message.mtimeNsOffset.length)
                        writer.uint32(/* id 21, wireType 2 =*/170).fixed32s(message.mtimeNsOffset);
                    if (message.mtimeNs != null && message.mtimeNs.length)
                        writer.uint32(/* id 22, wireType 2 =*/178).fixed32s(message.mtimeNs);
                    if (message.atimeNsOffset != null && message.atimeNsOffset.length)
                        writer.uint32(/* id 23, wireType 2 =*/186).fixed32s(message.atimeNsOffset);
                    if (message.atimeNs != null && message.atimeNs.length)
                        writer.uint32(/* id 24, wireType 2 =*/194).fixed32s(message.atimeNs);
                    if (message.linkRow != null && message.linkRow.length)
                        writer.uint32(/* id 25, wireType 2 =*/202).uint32s(message.linkRow);
                    if (message.linkCount != null && message.linkCount.length)
                        writer.uint32(/* id 26, wireType 2 =*/210).uint32s(message.linkCount);
                    if (message.deviceRow != null && message.deviceRow.length)
                        writer.uint32(/* id 27, wireType 2 =*/218).uint32s(message.deviceRow);
                    if (message.deviceMajor != null && message.deviceMajor.length)
                        writer.uint32(/* id 28, wireType 2 =*/226).uint32s(message.deviceMajor);
                    if (message.deviceMinor != null && message.deviceMinor.length)
                        writer.uint32(/* id 29, wireType 2 =*/234).uint32s(message.deviceMinor);
                    if (message.flagRow != null && message.flagRow.length)
                        writer.uint32(/* id 30, wireType 2 =*/242).uint32s(message.flagRow);
                    if (message.flagBits != null && message.flagBits.length)
                        writer.uint32(/* id 31, wireType 2 =*/250).uint32s(message.flagBits);
                    if (message.unitShift != null && $Object.hasOwnProperty.call(message, "unitShift") && message.unitShift !== 0)
                        writer.uint32(/* id 32, wireType 0 =*/256).uint32(message.unitShift);
                    if (message.extentCount != null && message.extentCount.length)
                        writer.uint32(/* id 33, wireType 2 =*/266).uint32s(message.extentCount);
                    if (message.extentKind != null && $Object.hasOwnProperty.call(message, "extentKind") && message.extentKind.length)
                        writer.uint32(/* id 34, wireType 2 =*/274).bytes(message.extentKind);
                    if (message.extentGap != null && message.extentGap.length)
                        writer.uint32(/* id 35, wireType 2 =*/282).sint64s(message.extentGap);
                    if (message.extentLength != null && message.extentLength.length)
                        writer.uint32(/* id 36, wireType 2 =*/290).sint64s(message.extentLength);
                    if (message.recordRow != null && message.recordRow.length)
                        writer.uint32(/* id 37, wireType 2 =*/298).uint32s(message.recordRow);
                    if (message.literals != null && $Object.hasOwnProperty.call(message, "literals") && message.literals.length)
                        writer.uint32(/* id 38, wireType 2 =*/306).bytes(message.literals);
                    if (message.xattrRow != null && message.xattrRow.length)
                        writer.uint32(/* id 39, wireType 2 =*/314).uint32s(message.xattrRow);
                    if (message.xattrIndex != null && message.xattrIndex.length)
                        writer.uint32(/* id 40, wireType 2 =*/322).uint32s(message.xattrIndex);
                    if (message.xattrName != null && message.xattrName.length)
                        for (let i = 0; i < message.xattrName.length; ++i)
                            writer.uint32(/* id 41, wireType 2 =*/330).bytes(message.xattrName[i]);
                    if (message.xattrValue != null && message.xattrValue.length)
                        for (let i = 0; i < message.xattrValue.length; ++i)
                            writer.uint32(/* id 42, wireType 2 =*/338).bytes(message.xattrValue[i]);
                    if (message.problemRow != null && message.problemRow.length)
                        writer.uint32(/* id 43, wireType 2 =*/346).uint32s(message.problemRow);
                    if (message.problemIndex != null && message.problemIndex.length)
                        writer.uint32(/* id 44, wireType 2 =*/354).uint32s(message.problemIndex);
                    if (message.problemText != null && message.problemText.length)
                        for (let i = 0; i < message.problemText.length; ++i)
                            writer.uint32(/* id 45, wireType 2 =*/362).string(message.problemText[i]);
                    if (message.namePlace != null && $Object.hasOwnProperty.call(message, "namePlace") && message.namePlace.length)
                        writer.uint32(/* id 46, wireType 2 =*/370).bytes(message.namePlace);
                    if (message.ctimeBase != null && $Object.hasOwnProperty.call(message, "ctimeBase") && (typeof message.ctimeBase === "object" ? message.ctimeBase.low || message.ctimeBase.high : message.ctimeBase !== 0))
                        writer.uint32(/* id 47, wireType 0 =*/376).sint64(message.ctimeBase);
                    if (message.ctimeStepNs != null && message.ctimeStepNs.length)
                        writer.uint32(/* id 48, wireType 2 =*/386).sint64s(message.ctimeStepNs);
                    if (message.mtimeOffsetNs != null && message.mtimeOffsetNs.length)
                        writer.uint32(/* id 49, wireType 2 =*/394).sint64s(message.mtimeOffsetNs);
                    if (message.atimeOffsetNs != null && message.atimeOffsetNs.length)
                        writer.uint32(/* id 50, wireType 2 =*/402).sint64s(message.atimeOffsetNs);
                    if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                        for (let i = 0; i < message.$unknowns.length; ++i)
                            writer.raw(message.$unknowns[i]);
                    return writer;
                };

                /**
                 * Decodes a Page message from the specified reader or buffer.
                 * @function decode
                 * @memberof reelmap.index.v1.Page
                 * @static
                 * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
                 * @param {number} [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.Page & reelmap.index.v1.Page.$Shape} Page
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                Page.decode = function (reader, length, _end, _depth, _target) {
                    if (!(reader instanceof $Reader))
                        reader = $Reader.create(reader);
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $Reader.recursionLimit)
                        throw $Error("max depth exceeded");
                    let end, message, value;
                    if (length === $undefined)
                        end = reader.len;
                    else {
                        end = reader.pos + length;
                        if (end > reader.len)
                            throw $RangeError("index out of range");
                        length = reader.len;
                        reader.len = end;
                    }
                    message = _target || new $root.reelmap.index.v1.Page();
                    while (reader.pos < end) {
                        let start = reader.pos;
                        let tag = reader.tag();
                        if (tag === _end) {
                            _end = $undefined;
                            break;
                        }
                        let wireType = tag & 7;
                        switch (tag >>>= 3) {
                        case 1: {
                                if (wireType !== 0)
                                    break;
                                if (value = reader.uint32())
                                    message.pageCount = value;
                                else
                                    delete message.pageCount;
                                continue;
                            }
                        case 2: {
                                if (wireType !== 2)
                                    break;
                                message.nextName = reader.bytes();
                                message._nextName = "nextName";
                                continue;
                            }
                        case 3: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.nameLead = value;
                                else
                                    delete message.nameLead;
                                continue;
                            }
                        case 4: {
                                if (wireType === 2) {
                                    if (!(message.nameMore && message.nameMore.length))
                                        message.nameMore = [];
                                    reader.uint32s(message.nameMore);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.nameMore && message.nameMore.length))
                                    message.nameMore = [];
                                message.nameMore.push(reader.uint32());
                                continue;
                            }
                        case 5: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.nameBytes = value;
                                else
                                    delete message.nameBytes;
                                continue;
                            }
                        case 6: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.nameRow = value;
                                else
                                    delete message.nameRow;
                                continue;
                            }
                        case 46: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.namePlace = value;
                                else
                                    delete message.namePlace;
                                continue;
                            }
                        case 7: {
                                if (wireType === 2) {
                                    if (!(message.inodeStep && message.inodeStep.length))
                                        message.inodeStep = [];
                                    reader.sint64s(message.inodeStep);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.inodeStep && message.inodeStep.length))
                                    message.inodeStep = [];
                                message.inodeStep.push(reader.sint64());
                                continue;
                            }
                        case 37: {
                                if (wireType === 2) {
                                    if (!(message.recordRow && message.recordRow.length))
                                        message.recordRow = [];
                                    reader.uint32s(message.recordRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.recordRow && message.recordRow.length))
                                    message.recordRow = [];
                                message.recordRow.push(reader.uint32());
                                continue;
                            }
                        case 9: {
                                if (wireType === 2) {
                                    if (!(message.classMode && message.classMode.length))
                                        message.classMode = [];
                                    reader.uint32s(message.classMode);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.classMode && message.classMode.length))
                                    message.classMode = [];
                                message.classMode.push(reader.uint32());
                                continue;
                            }
                        case 10: {
                                if (wireType === 2) {
                                    if (!(message.classUid && message.classUid.length))
                                        message.classUid = [];
                                    reader.uint32s(message.classUid);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.classUid && message.classUid.length))
                                    message.classUid = [];
                                message.classUid.push(reader.uint32());
                                continue;
                            }
                        case 11: {
                                if (wireType === 2) {
                                    if (!(message.classGid && message.classGid.length))
                                        message.classGid = [];
                                    reader.uint32s(message.classGid);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.classGid && message.classGid.length))
                                    message.classGid = [];
                                message.classGid.push(reader.uint32());
                                continue;
                            }
                        case 12: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.classOf = value;
                                else
                                    delete message.classOf;
                                continue;
                            }
                        case 13: {
                                if (wireType === 2) {
                                    if (!(message.generation && message.generation.length))
                                        message.generation = [];
                                    reader.fixed32s(message.generation);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.generation && message.generation.length))
                                    message.generation = [];
                                message.generation.push(reader.fixed32());
                                continue;
                            }
                        case 14: {
                                if (wireType === 2) {
                                    if (!(message.size && message.size.length))
                                        message.size = [];
                                    reader.uint64s(message.size);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.size && message.size.length))
                                    message.size = [];
                                message.size.push(reader.uint64());
                                continue;
                            }
                        case 47: {
                                if (wireType !== 0)
                                    break;
                                if (typeof (value = reader.sint64()) === "object" ? value.low || value.high : value !== 0)
                                    message.ctimeBase = value;
                                else
                                    delete message.ctimeBase;
                                continue;
                            }
                        case 48: {
                                if (wireType === 2) {
                                    if (!(message.ctimeStepNs && message.ctimeStepNs.length))
                                        message.ctimeStepNs = [];
                                    reader.sint64s(message.ctimeStepNs);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.ctimeStepNs && message.ctimeStepNs.length))
                                    message.ctimeStepNs = [];
                                message.ctimeStepNs.push(reader.sint64());
                                continue;
                            }
                        case 49: {
                                if (wireType === 2) {
                                    if (!(message.mtimeOffsetNs && message.mtimeOffsetNs.length))
                                        message.mtimeOffsetNs = [];
                                    reader.sint64s(message.mtimeOffsetNs);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.mtimeOffsetNs && message.mtimeOffsetNs.length))
                                    message.mtimeOffsetNs = [];
                                message.mtimeOffsetNs.push(reader.sint64());
                                continue;
                            }
                        case 50: {
                                if (wireType === 2) {
                                    if (!(message.atimeOffsetNs && message.atimeOffsetNs.length))
                                        message.atimeOffsetNs = [];
                                    reader.sint64s(message.atimeOffsetNs);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.atimeOffsetNs && message.atimeOffsetNs.length))
                                    message.atimeOffsetNs = [];
                                message.atimeOffsetNs.push(reader.sint64());
                                continue;
                            }
                        case 15: {
                                if (wireType === 2) {
                                    if (!(message.ctimeStep && message.ctimeStep.length))
                                        message.ctimeStep = [];
                                    reader.sint64s(message.ctimeStep);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.ctimeStep && message.ctimeStep.length))
                                    message.ctimeStep = [];
                                message.ctimeStep.push(reader.sint64());
                                continue;
                            }
                        case 16: {
                                if (wireType === 2) {
                                    if (!(message.mtimeOffset && message.mtimeOffset.length))
                                        message.mtimeOffset = [];
                                    reader.sint64s(message.mtimeOffset);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.mtimeOffset && message.mtimeOffset.length))
                                    message.mtimeOffset = [];
                                message.mtimeOffset.push(reader.sint64());
                                continue;
                            }
                        case 17: {
                                if (wireType === 2) {
                                    if (!(message.mtimeStep && message.mtimeStep.length))
                                        message.mtimeStep = [];
                                    reader.sint64s(message.mtimeStep);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.mtimeStep && message.mtimeStep.length))
                                    message.mtimeStep = [];
                                message.mtimeStep.push(reader.sint64());
                                continue;
                            }
                        case 18: {
                                if (wireType === 2) {
                                    if (!(message.atimeOffset && message.atimeOffset.length))
                                        message.atimeOffset = [];
                                    reader.sint64s(message.atimeOffset);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.atimeOffset && message.atimeOffset.length))
                                    message.atimeOffset = [];
                                message.atimeOffset.push(reader.sint64());
                                continue;
                            }
                        case 19: {
                                if (wireType === 2) {
                                    if (!(message.atimeStep && message.atimeStep.length))
                                        message.atimeStep = [];
                                    reader.sint64s(message.atimeStep);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.atimeStep && message.atimeStep.length))
                                    message.atimeStep = [];
                                message.atimeStep.push(reader.sint64());
                                continue;
                            }
                        case 20: {
                                if (wireType === 2) {
                                    if (!(message.ctimeNs && message.ctimeNs.length))
                                        message.ctimeNs = [];
                                    reader.fixed32s(message.ctimeNs);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.ctimeNs && message.ctimeNs.length))
                                    message.ctimeNs = [];
                                message.ctimeNs.push(reader.fixed32());
                                continue;
                            }
                        case 21: {
                                if (wireType === 2) {
                                    if (!(message.mtimeNsOffset && message.mtimeNsOffset.length))
                                        message.mtimeNsOffset = [];
                                    reader.fixed32s(message.mtimeNsOffset);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.mtimeNsOffset && message.mtimeNsOffset.length))
                                    message.mtimeNsOffset = [];
                                message.mtimeNsOffset.push(reader.fixed32());
                                continue;
                            }
                        case 22: {
                                if (wireType === 2) {
                                    if (!(message.mtimeNs && message.mtimeNs.length))
                                        message.mtimeNs = [];
                                    reader.fixed32s(message.mtimeNs);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.mtimeNs && message.mtimeNs.length))
                                    message.mtimeNs = [];
                                message.mtimeNs.push(reader.fixed32());
                                continue;
                            }
                        case 23: {
                                if (wireType === 2) {
                                    if (!(message.atimeNsOffset && message.atimeNsOffset.length))
                                        message.atimeNsOffset = [];
                                    reader.fixed32s(message.atimeNsOffset);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.atimeNsOffset && message.atimeNsOffset.length))
                                    message.atimeNsOffset = [];
                                message.atimeNsOffset.push(reader.fixed32());
                                continue;
                            }
                        case 24: {
                                if (wireType === 2) {
                                    if (!(message.atimeNs && message.atimeNs.length))
                                        message.atimeNs = [];
                                    reader.fixed32s(message.atimeNs);
                                    continue;
                                }
                                if (wireType !== 5)
                                    break;
                                if (!(message.atimeNs && message.atimeNs.length))
                                    message.atimeNs = [];
                                message.atimeNs.push(reader.fixed32());
                                continue;
                            }
                        case 25: {
                                if (wireType === 2) {
                                    if (!(message.linkRow && message.linkRow.length))
                                        message.linkRow = [];
                                    reader.uint32s(message.linkRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.linkRow && message.linkRow.length))
                                    message.linkRow = [];
                                message.linkRow.push(reader.uint32());
                                continue;
                            }
                        case 26: {
                                if (wireType === 2) {
                                    if (!(message.linkCount && message.linkCount.length))
                                        message.linkCount = [];
                                    reader.uint32s(message.linkCount);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.linkCount && message.linkCount.length))
                                    message.linkCount = [];
                                message.linkCount.push(reader.uint32());
                                continue;
                            }
                        case 27: {
                                if (wireType === 2) {
                                    if (!(message.deviceRow && message.deviceRow.length))
                                        message.deviceRow = [];
                                    reader.uint32s(message.deviceRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.deviceRow && message.deviceRow.length))
                                    message.deviceRow = [];
                                message.deviceRow.push(reader.uint32());
                                continue;
                            }
                        case 28: {
                                if (wireType === 2) {
                                    if (!(message.deviceMajor && message.deviceMajor.length))
                                        message.deviceMajor = [];
                                    reader.uint32s(message.deviceMajor);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.deviceMajor && message.deviceMajor.length))
                                    message.deviceMajor = [];
                                message.deviceMajor.push(reader.uint32());
                                continue;
                            }
                        case 29: {
                                if (wireType === 2) {
                                    if (!(message.deviceMinor && message.deviceMinor.length))
                                        message.deviceMinor = [];
                                    reader.uint32s(message.deviceMinor);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.deviceMinor && message.deviceMinor.length))
                                    message.deviceMinor = [];
                                message.deviceMinor.push(reader.uint32());
                                continue;
                            }
                        case 30: {
                                if (wireType === 2) {
                                    if (!(message.flagRow && message.flagRow.length))
                                        message.flagRow = [];
                                    reader.uint32s(message.flagRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.flagRow && message.flagRow.length))
                                    message.flagRow = [];
                                message.flagRow.push(reader.uint32());
                                continue;
                            }
                        case 31: {
                                if (wireType === 2) {
                                    if (!(message.flagBits && message.flagBits.length))
                                        message.flagBits = [];
                                    reader.uint32s(message.flagBits);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.flagBits && message.flagBits.length))
                                    message.flagBits = [];
                                message.flagBits.push(reader.uint32());
                                continue;
                            }
                        case 32: {
                                if (wireType !== 0)
                                    break;
                                if (value = reader.uint32())
                                    message.unitShift = value;
                                else
                                    delete message.unitShift;
                                continue;
                            }
                        case 33: {
                                if (wireType === 2) {
                                    if (!(message.extentCount && message.extentCount.length))
                                        message.extentCount = [];
                                    reader.uint32s(message.extentCount);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.extentCount && message.extentCount.length))
                                    message.extentCount = [];
                                message.extentCount.push(reader.uint32());
                                continue;
                            }
                        case 34: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.extentKind = value;
                                else
                                    delete message.extentKind;
                                continue;
                            }
                        case 35: {
                                if (wireType === 2) {
                                    if (!(message.extentGap && message.extentGap.length))
                                        message.extentGap = [];
                                    reader.sint64s(message.extentGap);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.extentGap && message.extentGap.length))
                                    message.extentGap = [];
                                message.extentGap.push(reader.sint64());
                                continue;
                            }
                        case 36: {
                                if (wireType === 2) {
                                    if (!(message.extentLength && message.extentLength.length))
                                        message.extentLength = [];
                                    reader.sint64s(message.extentLength);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.extentLength && message.extentLength.length))
                                    message.extentLength = [];
                                message.extentLength.push(reader.sint64());
                                continue;
                            }
                        case 8: {
                                if (wireType === 2) {
                                    if (!(message.extentStart && message.extentStart.length))
                                        message.extentStart = [];
                                    reader.sint64s(message.extentStart);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.extentStart && message.extentStart.length))
                                    message.extentStart = [];
                                message.extentStart.push(reader.sint64());
                                continue;
                            }
                        case 38: {
                                if (wireType !== 2)
                                    break;
                                if ((value = reader.bytes()).length)
                                    message.literals = value;
                                else
                                    delete message.literals;
                                continue;
                            }
                        case 39: {
                                if (wireType === 2) {
                                    if (!(message.xattrRow && message.xattrRow.length))
                                        message.xattrRow = [];
                                    reader.uint32s(message.xattrRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.xattrRow && message.xattrRow.length))
                                    message.xattrRow = [];
                                message.xattrRow.push(reader.uint32());
                                continue;
                            }
                        case 40: {
                                if (wireType === 2) {
                                    if (!(message.xattrIndex && message.xattrIndex.length))
                                        message.xattrIndex = [];
                                    reader.uint32s(message.xattrIndex);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.xattrIndex && message.xattrIndex.length))
                                    message.xattrIndex = [];
                                message.xattrIndex.push(reader.uint32());
                                continue;
                            }
                        case 41: {
                                if (wireType !== 2)
                                    break;
                                if (!(message.xattrName && message.xattrName.length))
                                    message.xattrName = [];
                                message.xattrName.push(reader.bytes());
                                continue;
                            }
                        case 42: {
                                if (wireType !== 2)
                                    break;
                                if (!(message.xattrValue && message.xattrValue.length))
                                    message.xattrValue = [];
                                message.xattrValue.push(reader.bytes());
                                continue;
                            }
                        case 43: {
                                if (wireType === 2) {
                                    if (!(message.problemRow && message.problemRow.length))
                                        message.problemRow = [];
                                    reader.uint32s(message.problemRow);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.problemRow && message.problemRow.length))
                                    message.problemRow = [];
                                message.problemRow.push(reader.uint32());
                                continue;
                            }
                        case 44: {
                                if (wireType === 2) {
                                    if (!(message.problemIndex && message.problemIndex.length))
                                        message.problemIndex = [];
                                    reader.uint32s(message.problemIndex);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.problemIndex && message.problemIndex.length))
                                    message.problemIndex = [];
                                message.problemIndex.push(reader.uint32());
                                continue;
                            }
                        case 45: {
                                if (wireType !== 2)
                                    break;
                                if (!(message.problemText && message.problemText.length))
                                    message.problemText = [];
                                message.problemText.push(reader.stringVerify());
                                continue;
                            }
                        }
                        reader.skipType(wireType, _depth, tag);
                        if (!reader.discardUnknown) {
                            $util.makeProp(message, "$unknowns", false);
                            (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                        }
                    }
                    if (length !== $undefined) {
                        if (reader.pos !== end)
                            throw $RangeError("index out of range");
                        reader.len = length;
                    }
                    if (_end !== $undefined)
                        throw $Error("missing end group");
                    return message;
                };

                return Page;
            })();

            v1.Roster = (function() {

                /**
                 * Properties of a Roster.
                 * @typedef {Object} reelmap.index.v1.Roster.$Properties
                 * @property {Array.<number>|null} [numberStep] Roster numberStep
                 * @property {number|null} [next] Roster next
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */

                /**
                 * Properties of a Roster.
                 * @memberof reelmap.index.v1
                 * @interface IRoster
                 * @augments reelmap.index.v1.Roster.$Properties
                 * @deprecated Use reelmap.index.v1.Roster.$Properties instead.
                 */

                /**
                 * Shape of a Roster.
                 * @typedef {reelmap.index.v1.Roster.$Properties} reelmap.index.v1.Roster.$Shape
                 */

                /**
                 * Constructs a new Roster.
                 * @memberof reelmap.index.v1
                 * @classdesc Represents a Roster.
                 * @constructor
                 * @param {reelmap.index.v1.Roster.$Properties=} [properties] Properties to set
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */
                const Roster = function (properties) {
                    this.numberStep = [];
                    if (properties)
                        for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                            if (properties[keys[i]] != null && keys[i] !== "__proto__")
                                this[keys[i]] = properties[keys[i]];
                };

                /**
                 * Roster numberStep.
                 * @member {Array.<number>} numberStep
                 * @memberof reelmap.index.v1.Roster
                 * @instance
                 */
                Roster.prototype.numberStep = $util.emptyArray;

                /**
                 * Roster next.
                 * @member {number|null|undefined} next
                 * @memberof reelmap.index.v1.Roster
                 * @instance
                 */
                Roster.prototype.next = null;

                // OneOf field names bound to virtual getters and setters
                let $oneOfFields;

                // Virtual OneOf for proto3 optional field
                $Object.defineProperty(Roster.prototype, "_next", {
                    get: $util.oneOfGetter($oneOfFields = ["next"]),
                    set: $util.oneOfSetter($oneOfFields)
                });

                /**
                 * Encodes the specified Roster message. Does not implicitly {@link reelmap.index.v1.Roster.verify|verify} messages.
                 * @function encode
                 * @memberof reelmap.index.v1.Roster
                 * @static
                 * @param {reelmap.index.v1.Roster.$Properties} message Roster message or plain object to encode
                 * @param {$protobuf.Writer} [writer] Writer to encode to
                 * @returns {$protobuf.Writer} Writer
                 */
                Roster.encode = function (message, writer, _depth) {
                    if (!writer)
                        writer = $Writer.create();
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $util.recursionLimit)
                        throw $Error("max depth exceeded");
                    if (message.numberStep != null && message.numberStep.length)
                        writer.uint32(/* id 1, wireType 2 =*/10).uint64s(message.numberStep);
                    if (message.next != null && $Object.hasOwnProperty.call(message, "next"))
                        writer.uint32(/* id 2, wireType 0 =*/16).uint64(message.next);
                    if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                        for (let i = 0; i < message.$unknowns.length; ++i)
                            writer.raw(message.$unknowns[i]);
                    return writer;
                };

                /**
                 * Decodes a Roster message from the specified reader or buffer.
                 * @function decode
                 * @memberof reelmap.index.v1.Roster
                 * @static
                 * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
                 * @param {number} [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.Roster & reelmap.index.v1.Roster.$Shape} Roster
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                Roster.decode = function (reader, length, _end, _depth, _target) {
                    if (!(reader instanceof $Reader))
                        reader = $Reader.create(reader);
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $Reader.recursionLimit)
                        throw $Error("max depth exceeded");
                    let end, message;
                    if (length === $undefined)
                        end = reader.len;
                    else {
                        end = reader.pos + length;
                        if (end > reader.len)
                            throw $RangeError("index out of range");
                        length = reader.len;
                        reader.len = end;
                    }
                    message = _target || new $root.reelmap.index.v1.Roster();
                    while (reader.pos < end) {
                        let start = reader.pos;
                        let tag = reader.tag();
                        if (tag === _end) {
                            _end = $undefined;
                            break;
                        }
                        let wireType = tag & 7;
                        switch (tag >>>= 3) {
                        case 1: {
                                if (wireType === 2) {
                                    if (!(message.numberStep && message.numberStep.length))
                                        message.numberStep = [];
                                    reader.uint64s(message.numberStep);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.numberStep && message.numberStep.length))
                                    message.numberStep = [];
                                message.numberStep.push(reader.uint64());
                                continue;
                            }
                        case 2: {
                                if (wireType !== 0)
                                    break;
                                message.next = reader.uint64();
                                message._next = "next";
                                continue;
                            }
                        }
                        reader.skipType(wireType, _depth, tag);
                        if (!reader.discardUnknown) {
                            $util.makeProp(message, "$unknowns", false);
                            (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                        }
                    }
                    if (length !== $undefined) {
                        if (reader.pos !== end)
                            throw $RangeError("index out of range");
                        reader.len = length;
                    }
                    if (_end !== $undefined)
                        throw $Error("missing end group");
                    return message;
                };

                return Roster;
            })();

            v1.RunPage = (function() {

                /**
                 * Properties of a RunPage.
                 * @typedef {Object} reelmap.index.v1.RunPage.$Properties
                 * @property {number|null} [unitShift] RunPage unitShift
                 * @property {Array.<number>|null} [gap] RunPage gap
                 * @property {Array.<number>|null} [length] RunPage length
                 * @property {number|null} [storedBefore] RunPage storedBefore
                 * @property {number|null} [nextStart] RunPage nextStart
                 * @property {number|null} [runCount] RunPage runCount
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */

                /**
                 * Properties of a RunPage.
                 * @memberof reelmap.index.v1
                 * @interface IRunPage
                 * @augments reelmap.index.v1.RunPage.$Properties
                 * @deprecated Use reelmap.index.v1.RunPage.$Properties instead.
                 */

                /**
                 * Shape of a RunPage.
                 * @typedef {reelmap.index.v1.RunPage.$Properties} reelmap.index.v1.RunPage.$Shape
                 */

                /**
                 * Constructs a new RunPage.
                 * @memberof reelmap.index.v1
                 * @classdesc Represents a RunPage.
                 * @constructor
                 * @param {reelmap.index.v1.RunPage.$Properties=} [properties] Properties to set
                 * @property {Array.<Uint8Array>} [$unknowns] Unknown fields preserved while decoding when enabled
                 */
                const RunPage = function (properties) {
                    this.gap = [];
                    this.length = [];
                    if (properties)
                        for (let keys = $Object.keys(properties), i = 0; i < keys.length; ++i)
                            if (properties[keys[i]] != null && keys[i] !== "__proto__")
                                this[keys[i]] = properties[keys[i]];
                };

                /**
                 * RunPage unitShift.
                 * @member {number} unitShift
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.unitShift = 0;

                /**
                 * RunPage gap.
                 * @member {Array.<number>} gap
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.gap = $util.emptyArray;

                /**
                 * RunPage length.
                 * @member {Array.<number>} length
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.length = $util.emptyArray;

                /**
                 * RunPage storedBefore.
                 * @member {number} storedBefore
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.storedBefore = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

                /**
                 * RunPage nextStart.
                 * @member {number|null|undefined} nextStart
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.nextStart = null;

                /**
                 * RunPage runCount.
                 * @member {number} runCount
                 * @memberof reelmap.index.v1.RunPage
                 * @instance
                 */
                RunPage.prototype.runCount = $util.Long ? $util.Long.fromBits(0,0,true) : 0;

                // OneOf field names bound to virtual getters and setters
                let $oneOfFields;

                // Virtual OneOf for proto3 optional field
                $Object.defineProperty(RunPage.prototype, "_nextStart", {
                    get: $util.oneOfGetter($oneOfFields = ["nextStart"]),
                    set: $util.oneOfSetter($oneOfFields)
                });

                /**
                 * Encodes the specified RunPage message. Does not implicitly {@link reelmap.index.v1.RunPage.verify|verify} messages.
                 * @function encode
                 * @memberof reelmap.index.v1.RunPage
                 * @static
                 * @param {reelmap.index.v1.RunPage.$Properties} message RunPage message or plain object to encode
                 * @param {$protobuf.Writer} [writer] Writer to encode to
                 * @returns {$protobuf.Writer} Writer
                 */
                RunPage.encode = function (message, writer, _depth) {
                    if (!writer)
                        writer = $Writer.create();
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $util.recursionLimit)
                        throw $Error("max depth exceeded");
                    if (message.unitShift != null && $Object.hasOwnProperty.call(message, "unitShift") && message.unitShift !== 0)
                        writer.uint32(/* id 1, wireType 0 =*/8).uint32(message.unitShift);
                    if (message.gap != null && message.gap.length)
                        writer.uint32(/* id 2, wireType 2 =*/18).uint64s(message.gap);
                    if (message.length != null && message.length.length)
                        writer.uint32(/* id 3, wireType 2 =*/26).uint64s(message.length);
                    if (message.storedBefore != null && $Object.hasOwnProperty.call(message, "storedBefore") && (typeof message.storedBefore === "object" ? message.storedBefore.low || message.storedBefore.high : message.storedBefore !== 0))
                        writer.uint32(/* id 4, wireType 0 =*/32).uint64(message.storedBefore);
                    if (message.nextStart != null && $Object.hasOwnProperty.call(message, "nextStart"))
                        writer.uint32(/* id 5, wireType 0 =*/40).uint64(message.nextStart);
                    if (message.runCount != null && $Object.hasOwnProperty.call(message, "runCount") && (typeof message.runCount === "object" ? message.runCount.low || message.runCount.high : message.runCount !== 0))
                        writer.uint32(/* id 6, wireType 0 =*/48).uint64(message.runCount);
                    if (message.$unknowns != null && $Object.hasOwnProperty.call(message, "$unknowns"))
                        for (let i = 0; i < message.$unknowns.length; ++i)
                            writer.raw(message.$unknowns[i]);
                    return writer;
                };

                /**
                 * Decodes a RunPage message from the specified reader or buffer.
                 * @function decode
                 * @memberof reelmap.index.v1.RunPage
                 * @static
                 * @param {$protobuf.Reader|Uint8Array} reader Reader or buffer to decode from
                 * @param {number} [length] Message length if known beforehand
                 * @returns {reelmap.index.v1.RunPage & reelmap.index.v1.RunPage.$Shape} RunPage
                 * @throws {Error} If the payload is not a reader or valid buffer
                 * @throws {$protobuf.util.ProtocolError} If required fields are missing
                 */
                RunPage.decode = function (reader, length, _end, _depth, _target) {
                    if (!(reader instanceof $Reader))
                        reader = $Reader.create(reader);
                    if (_depth === $undefined)
                        _depth = 0;
                    if (_depth > $Reader.recursionLimit)
                        throw $Error("max depth exceeded");
                    let end, message, value;
                    if (length === $undefined)
                        end = reader.len;
                    else {
                        end = reader.pos + length;
                        if (end > reader.len)
                            throw $RangeError("index out of range");
                        length = reader.len;
                        reader.len = end;
                    }
                    message = _target || new $root.reelmap.index.v1.RunPage();
                    while (reader.pos < end) {
                        let start = reader.pos;
                        let tag = reader.tag();
                        if (tag === _end) {
                            _end = $undefined;
                            break;
                        }
                        let wireType = tag & 7;
                        switch (tag >>>= 3) {
                        case 1: {
                                if (wireType !== 0)
                                    break;
                                if (value = reader.uint32())
                                    message.unitShift = value;
                                else
                                    delete message.unitShift;
                                continue;
                            }
                        case 2: {
                                if (wireType === 2) {
                                    if (!(message.gap && message.gap.length))
                                        message.gap = [];
                                    reader.uint64s(message.gap);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.gap && message.gap.length))
                                    message.gap = [];
                                message.gap.push(reader.uint64());
                                continue;
                            }
                        case 3: {
                                if (wireType === 2) {
                                    if (!(message.length && message.length.length))
                                        message.length = [];
                                    reader.uint64s(message.length);
                                    continue;
                                }
                                if (wireType !== 0)
                                    break;
                                if (!(message.length && message.length.length))
                                    message.length = [];
                                message.length.push(reader.uint64());
                                continue;
                            }
                        case 4: {
                                if (wireType !== 0)
                                    break;
                                if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                    message.storedBefore = value;
                                else
                                    delete message.storedBefore;
                                continue;
                            }
                        case 5: {
                                if (wireType !== 0)
                                    break;
                                message.nextStart = reader.uint64();
                                message._nextStart = "nextStart";
                                continue;
                            }
                        case 6: {
                                if (wireType !== 0)
                                    break;
                                if (typeof (value = reader.uint64()) === "object" ? value.low || value.high : value !== 0)
                                    message.runCount = value;
                                else
                                    delete message.runCount;
                                continue;
                            }
                        }
                        reader.skipType(wireType, _depth, tag);
                        if (!reader.discardUnknown) {
                            $util.makeProp(message, "$unknowns", false);
                            (message.$unknowns || (message.$unknowns = [])).push(reader.raw(start, reader.pos));
                        }
                    }
                    if (length !== $undefined) {
                        if (reader.pos !== end)
                            throw $RangeError("index out of range");
                        reader.len = length;
                    }
                    if (_end !== $undefined)
                        throw $Error("missing end group");
                    return message;
                };

                return RunPage;
            })();

            return v1;
        })();

        return index;
    })();

    return reelmap;
})();

export {
  $root as default
};
