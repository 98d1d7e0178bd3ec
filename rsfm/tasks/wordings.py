"""How the questions of instruction data are worded: several ways to ask for each fact, all of them with the same answer."""

PRESENCE = {
    "thing": (
        "{Verb} there any {name}?",
        "{Verb} there any {name} in this image?",
        "Can any {name} be seen here?",
        "Do you see any {name}?",
        "Does the image show any {name}?",
        "Look for {name}: {verb} there any?",
        "I am searching for {name}. {Verb} there any here?",
        "Is it true that there {verb} {name} in the image?",
    ),
    "scene": (
        "Is this scene of the class {name}?",
        "Would you file this image under {name}?",
        "Does the class {name} fit this scene?",
        "Is {name} the right class for this scene?",
        "Someone labelled this image {name}. Is that right?",
    ),
}
COUNT = (
    "How many {name} are there?",
    "Count the {name}.",
    "What is the number of {name}?",
    "How many {name} can you count in this image?",
    "Give the number of {name}.",
    "Tell me how many {name} the image shows.",
)
AREA = (
    "How many hectares of {name} are there?",
    "What is the area of {name} in hectares?",
    "How large is the area of {name}, in hectares?",
    "Give the area covered by {name} in hectares.",
    "Over how many hectares does {name} extend here?",
    "Measure the extent of {name} in hectares.",
)
COMPARISON = (
    "{Verb} there more {left} or {right}?",
    "Which is there more of, {left} or {right}?",
    "What do you find more of here: {left} or {right}?",
    "Compare {left} with {right}: of which is there more?",
    "Of {left} and {right}, which is there more of?",
)
CHANGED = (
    "Has anything changed between the dates?",
    "Is there a change from the first date to the last?",
    "Do the images differ in what is on the ground?",
    "Compare the dates: did anything change?",
    "Was there any change?",
)
CHANGED_AREA = (
    "How many hectares have changed between the dates?",
    "What is the changed area in hectares?",
    "Give the area of change in hectares.",
    "How large is the change, in hectares?",
)
PLACE = (
    "In which part of the image is the {name}?",
    "Whereabouts in the image is the {name}?",
    "Where in the picture is the {name}: top, centre or bottom, left or right?",
    "Name the part of the image that holds the {name}.",
)
IDENTIFY = (
    "What is at {box}?",
    "Which object lies in {box}?",
    "Name what the box {box} holds.",
    "What class does the object at {box} have?",
)
UNANSWERABLE = (
    "Who built this?",
    "What is the name of this place?",
    "What happened here yesterday?",
    "How much did the construction cost?",
    "What language is spoken here?",
    "Is the owner at home?",
    "What is inside the buildings?",
    "How fast are the vehicles driving?",
    "What will the weather be here tomorrow?",
)
