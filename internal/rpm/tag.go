package rpm

// Tag is the number of a header field (rpm's include/rpm/rpmtag.h).
type Tag uint32

// Tags of the main header.
const (
	TagHeaderI18NTable   Tag = 100
	TagName              Tag = 1000
	TagVersion           Tag = 1001
	TagRelease           Tag = 1002
	TagEpoch             Tag = 1003
	TagSummary           Tag = 1004
	TagDescription       Tag = 1005
	TagBuildTime         Tag = 1006
	TagBuildHost         Tag = 1007
	TagSize              Tag = 1009
	TagDistribution      Tag = 1010
	TagVendor            Tag = 1011
	TagLicense           Tag = 1014
	TagPackager          Tag = 1015
	TagGroup             Tag = 1016
	TagSource            Tag = 1018
	TagPatch             Tag = 1019
	TagURL               Tag = 1020
	TagOS                Tag = 1021
	TagArch              Tag = 1022
	TagOldFileNames      Tag = 1027
	TagFileSizes         Tag = 1028
	TagFileModes         Tag = 1030
	TagFileMTimes        Tag = 1034
	TagFileDigests       Tag = 1035
	TagFileLinkTos       Tag = 1036
	TagFileFlags         Tag = 1037
	TagFileUserName      Tag = 1039
	TagFileGroupName     Tag = 1040
	TagSourceRPM         Tag = 1044
	TagArchiveSize       Tag = 1046
	TagProvideName       Tag = 1047
	TagRequireFlags      Tag = 1048
	TagRequireName       Tag = 1049
	TagRequireVersion    Tag = 1050
	TagNoSource          Tag = 1051
	TagNoPatch           Tag = 1052
	TagConflictFlags     Tag = 1053
	TagConflictName      Tag = 1054
	TagConflictVersion   Tag = 1055
	TagExcludeArch       Tag = 1059
	TagExclusiveArch     Tag = 1061
	TagRPMVersion        Tag = 1064
	TagChangelogTime     Tag = 1080
	TagChangelogName     Tag = 1081
	TagChangelogText     Tag = 1082
	TagBuildArchs        Tag = 1089
	TagObsoleteName      Tag = 1090
	TagSourcePackage     Tag = 1106
	TagProvideFlags      Tag = 1112
	TagProvideVersion    Tag = 1113
	TagObsoleteFlags     Tag = 1114
	TagObsoleteVersion   Tag = 1115
	TagDirIndexes        Tag = 1116
	TagBaseNames         Tag = 1117
	TagDirNames          Tag = 1118
	TagPayloadFormat     Tag = 1124
	TagPayloadCompressor Tag = 1125
	TagPlatform          Tag = 1132
	TagLongFileSizes     Tag = 5008
	TagLongSize          Tag = 5009
	TagFileDigestAlgo    Tag = 5011
	TagPayloadDigest     Tag = 5092
	TagRecommendName     Tag = 5046
	TagRecommendVersion  Tag = 5047
	TagRecommendFlags    Tag = 5048
	TagSuggestName       Tag = 5049
	TagSuggestVersion    Tag = 5050
	TagSuggestFlags      Tag = 5051
	TagSupplementName    Tag = 5052
	TagSupplementVersion Tag = 5053
	TagSupplementFlags   Tag = 5054
	TagEnhanceName       Tag = 5055
	TagEnhanceVersion    Tag = 5056
	TagEnhanceFlags      Tag = 5057
	TagModularityLabel   Tag = 5096
)

// Tags of the signature header (rpm's rpmSigTag). The numbers from 1000 on mean other things than in the main header.
const (
	SigTagDSA             Tag = 267 // OpenPGP signature of the main header, DSA
	SigTagRSA             Tag = 268 // OpenPGP signature of the main header, RSA and every newer kind
	SigTagSHA1            Tag = 269 // hex SHA-1 of the main header
	SigTagLongSize        Tag = 270 // 64-bit SigTagSize
	SigTagLongArchiveSize Tag = 271 // 64-bit SigTagPayloadSize
	SigTagSHA256          Tag = 273 // hex SHA-256 of the main header
	SigTagOpenPGP         Tag = 278 // base64 OpenPGP signatures of the main header (rpm 6)
	SigTagSize            Tag = 1000
	SigTagPGP             Tag = 1002 // OpenPGP signature of header and payload, RSA
	SigTagMD5             Tag = 1004 // MD5 of header and payload
	SigTagGPG             Tag = 1005 // OpenPGP signature of header and payload, DSA
	SigTagPayloadSize     Tag = 1007
)
