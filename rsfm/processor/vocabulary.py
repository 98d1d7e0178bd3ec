"""The words by which a question says what it wants: cues of each kind, words that say nothing, other names of classes."""

# What kind of answer a question wants, by the words that say so; the first kind of which a cue stands in the question counts.
CUES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "image",
        (
            "remove", "erase", "fill in", "inpaint", "sharpen", "super resolve", "super-resolve", "upsample", "upscale",
            "colorize", "colourise", "denoise", "despeckle", "translate", "render", "an image of", "a picture of",
            "next image", "look like",
        ),
    ),
    ("boxes", ("box", "boxes", "bounding box", "bounding boxes", "detect", "locate", "polygon", "polygons")),
    ("forecast", ("forecast", "will", "days ahead", "days later")),
    ("change", ("change", "changes", "changed", "differ", "difference", "before and after", "happened")),
    ("more", ("more of", "more", "less", "compare")),
    ("share", ("percent", "percentage", "share", "fraction", "proportion", "how much of", "%", "per cent")),
    (
        "area",
        (
            "hectares", "hectare", "ha", "acres", "area", "extent", "how much", "how large", "how big", "square kilometres",
            "square kilometers", "square metres", "square meters", "km2", "km²", "m2", "m²",
        ),
    ),
    ("count", ("how many", "count", "number of")),
    ("map", ("map", "maps", "segment", "segmentation", "delineate", "outline", "mask", "where is", "where are", "where")),
    ("tags", ("which classes", "what classes", "land cover classes", "name all classes", "list", "tags", "labels")),
    (
        "scene",
        (
            "what scene", "which scene", "kind of scene", "type of scene", "name the scene", "classify", "what is this",
            "what's this", "what is shown", "what is it", "what is here", "what place", "in one class", "looking at",
            "what does this image show", "what does the image show", "what does this picture show", "what do you see",
            "what does the picture show", "what can you see", "what is visible", "what is there", "what is in",
        ),
    ),
    ("caption", ("describe", "description", "caption", "summarize", "summarise", "sentence", "tell me about")),
    ("identity", ("is this", "is it", "of the class")),
    (
        "presence",
        (
            "is there", "are there", "is any", "are any", "is a", "is the", "does", "do you see",
            "can you see", "can i see", "contain", "contains", "any", "was there", "were there",
        ),
    ),
    (
        "value",
        ("what is the", "what's the", "estimate", "how high", "how low", "how tall", "how moist", "give the", "measure"),
    ),
)  # fmt: skip

# Words that neither ask for anything nor restrict it. "not", "except" and "north" restrict, so they are none of them.
SILENT = frozenset(
    """
    a an the this that these those it its i me my we us our you your there here
    is are was were be been being am do does did has have had can could would should may might shall
    of in on at to for from by with within into over across as and or also both then than so
    what which who whom how where when please kindly tell show shows give name find see look draw make create want need like
    get produce compute calculate determine quantify identify say answer indicate highlight mark display estimate predict
    image images picture pictures photo photos photograph scene scenes tile patch imagery view satellite aerial site
    place location ground visible present shown seen found cover covers covered class classes type types kind kinds category
    categories called exactly roughly about approximately around currently now total overall whole entire all every each
    any some altogether just only up unit units terms value belongs belong showing contain contains containing inside
    much many kindly hello hi thanks thank possible everything anything something one
    """.split()
)

# Names of one class. The first of a group that was taught for the sensors in view stands for the others.
SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("trees", "forest", "woods", "woodland", "tree cover", "forest cover", "tree"),
    ("water", "water bodies", "open water", "surface water", "inland waters"),
    ("crops", "cropland", "farmland", "cultivated land", "agricultural land", "agriculture"),
    ("built area", "built-up area", "built up area", "built-up", "built up", "built-up land", "urban area", "artificial surface"),
    ("bare ground", "bare soil", "bare land", "bareland", "barren land"),
    ("snow and ice", "snow", "ice", "snow or ice", "ice and snow"),
    ("flooded vegetation", "wetland", "herbaceous wetland"),
    ("rangeland", "grassland", "grass"),
    ("shrub", "shrubs", "shrubland", "scrub", "shrub and scrub", "bushes"),
    ("clouds", "cloud cover", "cloud"),
    ("harbor", "harbour"),
    ("live fuel moisture", "live fuel moisture content", "fuel moisture"),
)  # fmt: skip
