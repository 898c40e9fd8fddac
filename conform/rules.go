package conform

// Code names a rule. Codes are stable: a rule that is gone leaves its code unused.
type Code string

// rule is what is known of a code.
type rule struct {
	severity Severity
	section  string // of the specification; what begins with "bootc: " is a limit of bootc
}

// Sections that several rules come from.
const (
	inLayout      = "image-layout.md: Content"
	inLayoutFile  = "image-layout.md: oci-layout file"
	inBlobs       = "image-layout.md: Blobs"
	inIndexFile   = "image-layout.md: index.json file"
	inDescriptor  = "descriptor.md: Properties"
	inDigests     = "descriptor.md: Digests"
	inAlgorithms  = "descriptor.md: Registered algorithms"
	inIndex       = "image-index.md: Image Index Property Descriptions"
	inVariants    = "image-index.md: Platform Variants"
	inManifest    = "manifest.md: Image Manifest Property Descriptions"
	inEmpty       = "manifest.md: Guidance for an Empty Descriptor"
	inArtifacts   = "manifest.md: Guidelines for Artifact Usage"
	inConfig      = "config.md: Properties"
	inDiffID      = "config.md: Layer DiffID"
	inAnnotations = "annotations.md: Rules"
	inKeys        = "annotations.md: Pre-Defined Annotation Keys"
	inFormat      = "layer.md: Distributable Format"
	inFileTypes   = "layer.md: File Types"
	inAttributes  = "layer.md: File Attributes"
	inHardlinks   = "layer.md: Hardlinks"
	inPopulate    = "layer.md: Populate Initial Filesystem"
	inWhiteouts   = "layer.md: Whiteouts"
	inOpaque      = "layer.md: Opaque Whiteout"
	inNondist     = "layer.md: Non-Distributable Layers"
	inJSON        = "considerations.md: JSON"
	inLimits      = "bootc: limits"
)

// rules are all that is checked.
var rules = map[Code]rule{
	"json-syntax":    {Error, inJSON},
	"json-utf8":      {Error, inJSON},
	"json-duplicate": {Error, inJSON},
	"json-number":    {Warning, inJSON},
	"json-type":      {Error, ""}, // of the property's own section

	"limit-document":  {Error, inLimits},
	"limit-manifests": {Error, inLimits},
	"limit-nesting":   {Error, inLimits},
	"limit-entries":   {Error, inLimits},

	"layout-marker-missing":    {Error, inLayout},
	"layout-marker-json":       {Error, inLayout},
	"layout-version-missing":   {Error, inLayout},
	"layout-version":           {Error, inLayoutFile},
	"layout-index-missing":     {Error, inLayout},
	"layout-blobs-missing":     {Error, inLayout},
	"layout-blob-name":         {Error, inBlobs},
	"layout-blob-content":      {Error, inBlobs},
	"layout-blob-absent":       {Warning, inBlobs},
	"layout-blob-unreferenced": {Info, inBlobs},
	"layout-ref-twice":         {Info, inIndexFile},

	"blob-unreadable": {Error, inDescriptor},

	"descriptor-media-type-missing":   {Error, inDescriptor},
	"descriptor-media-type":           {Error, inDescriptor},
	"descriptor-digest-missing":       {Error, inDescriptor},
	"descriptor-digest":               {Error, inDigests},
	"descriptor-digest-encoding":      {Error, inAlgorithms},
	"descriptor-digest-algorithm":     {Warning, inAlgorithms},
	"descriptor-digest-unverified":    {Info, inDigests},
	"descriptor-digest-content":       {Error, inDescriptor},
	"descriptor-size-missing":         {Error, inDescriptor},
	"descriptor-size-negative":        {Error, inDescriptor},
	"descriptor-size-content":         {Error, inDescriptor},
	"descriptor-url":                  {Error, inDescriptor},
	"descriptor-url-scheme":           {Warning, inDescriptor},
	"descriptor-data":                 {Error, inDescriptor},
	"descriptor-data-content":         {Error, inDescriptor},
	"descriptor-artifact-type":        {Error, inDescriptor},
	"descriptor-artifact-type-differ": {Warning, inDescriptor},
	"descriptor-empty":                {Warning, inEmpty},

	"annotation-value":          {Error, inAnnotations},
	"annotation-key-twice":      {Error, inAnnotations},
	"annotation-key-reserved":   {Error, inAnnotations},
	"annotation-key-domain":     {Warning, inAnnotations},
	"annotation-created":        {Warning, inKeys},
	"annotation-url":            {Warning, inKeys},
	"annotation-licenses":       {Warning, inKeys},
	"annotation-ref-name":       {Warning, inKeys},
	"annotation-ref-name-place": {Warning, inKeys},
	"annotation-base-digest":    {Warning, inKeys},
	"annotation-base-name":      {Warning, inKeys},
	"annotation-base-pair":      {Warning, inKeys},

	"index-schema-version":        {Error, inIndex},
	"index-media-type-missing":    {Warning, inIndex},
	"index-media-type":            {Error, inIndex},
	"index-artifact-type":         {Error, inIndex},
	"index-manifests-missing":     {Error, inIndex},
	"index-manifest-media-type":   {Warning, inIndex},
	"index-platform-missing":      {Warning, inIndex},
	"index-platform-architecture": {Error, inIndex},
	"index-platform-os":           {Error, inIndex},
	"index-platform-differs":      {Warning, inIndex},
	"index-platform-twice":        {Info, inIndex},
	"index-platform-features":     {Warning, inIndex},

	"platform-architecture": {Warning, inIndex},
	"platform-os":           {Warning, inIndex},
	"platform-variant":      {Warning, inVariants},
	"platform-os-features":  {Warning, inIndex},

	"manifest-schema-version":         {Error, inManifest},
	"manifest-media-type-missing":     {Warning, inManifest},
	"manifest-media-type":             {Error, inManifest},
	"manifest-artifact-type":          {Error, inManifest},
	"manifest-artifact-type-missing":  {Error, inManifest},
	"manifest-config-missing":         {Error, inManifest},
	"manifest-config-media-type":      {Warning, inManifest},
	"manifest-layers-empty":           {Warning, inManifest},
	"manifest-layer-media-type":       {Warning, inManifest},
	"manifest-layer-nondistributable": {Warning, inNondist},
	"manifest-ambiguous":              {Error, inLimits},

	"config-architecture-missing": {Error, inConfig},
	"config-os-missing":           {Error, inConfig},
	"config-created":              {Error, inConfig},
	"config-rootfs-missing":       {Error, inConfig},
	"config-rootfs-type":          {Error, inConfig},
	"config-diff-ids-missing":     {Error, inConfig},
	"config-diff-ids-count":       {Error, inConfig},
	"config-diff-id":              {Error, inDiffID},
	"config-history-created":      {Error, inConfig},
	"config-history-layers":       {Warning, inConfig},
	"config-user":                 {Warning, inConfig},
	"config-env":                  {Warning, inConfig},
	"config-exposed-port":         {Warning, inConfig},
	"config-set-value":            {Warning, inConfig},
	"config-volume":               {Warning, inConfig},
	"config-working-dir":          {Warning, inConfig},
	"config-stop-signal":          {Warning, inConfig},
	"config-args-escaped":         {Warning, inConfig},
	"config-reserved":             {Info, inConfig},

	"layer-compression":         {Error, ""}, // of the media type's own section
	"layer-compressed-data":     {Error, ""},
	"layer-diff-id":             {Error, inDiffID},
	"layer-tar":                 {Error, inFormat},
	"layer-entry-twice":         {Error, inFormat},
	"layer-entry-type":          {Error, inFileTypes},
	"layer-entry-name":          {Error, inPopulate},
	"layer-entry-dotdot":        {Error, inPopulate},
	"layer-entry-absolute":      {Warning, inPopulate},
	"layer-root-type":           {Error, inPopulate},
	"layer-symlink-target":      {Error, inAttributes},
	"layer-sparse":              {Warning, inAttributes},
	"layer-xattr-name":          {Error, inAttributes},
	"layer-xattr-libarchive":    {Warning, inAttributes},
	"layer-link-absent":         {Warning, inHardlinks},
	"layer-link-directory":      {Error, inHardlinks},
	"layer-whiteout-name":       {Error, inWhiteouts},
	"layer-whiteout-below":      {Error, inWhiteouts},
	"layer-whiteout-content":    {Warning, inWhiteouts},
	"layer-whiteout-type":       {Warning, inWhiteouts},
	"layer-whiteout-order":      {Warning, inWhiteouts},
	"layer-whiteout-opaque":     {Warning, inOpaque},
	"layer-data-behind-archive": {Info, inFormat},
}
