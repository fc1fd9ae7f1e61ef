"""Statements about invented organisations, and the same facts asked in many wordings.

Gives `Organisation` objects whose facts carry one statement, several noun phrases for what is
stated ("the opening time of the north gate") and direct questions. Knows nothing of tokens or
training. Everything is drawn from a `random.Random`, so a seed fixes the whole world.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

FIRST = """Alder Amber Ash Barley Beacon Birch Bramble Bridge Briar Cedar Chalk Clay Clover Copper Coral Crane Dale
Drift Dune Eagle Ember Falcon Fern Finch Flint Forge Garnet Glen Granite Harbour Hazel Heath Heron Hollow Holm Iron
Ivy Jasper Juniper Kestrel Lantern Lark Linden Maple Marsh Meadow Mill Moor Moss Northway Oak Orchard Otter Pebble
Pine Quarry Quill Raven Reed Ridge River Robin Rowan Saffron Sage Sand Sedge Silver Slate Sparrow Spruce Stone Swift
Teal Thistle Thorn Tide Timber Vale Violet Walnut Warren Willow Wren Yarrow""".split()
SECOND = """brook bury by combe croft dale den fell field ford gate ham haven hill holt hurst ley march mere mond ness
pool port shaw side stead ton vale view ward water well wick wood worth""".split()
BUSINESS = """Works Trust Ferries Library Museum Cooperative Bakery Clinic College Theatre Gardens Workshop Kennels
Brewery Laboratory Orchards Press Railway School Sailing Club|Tool Library|Cycle Hire|Credit Union|Dairy|Foundry|
Glassworks|Housing Association|Leisure Centre|Market|Observatory|Pottery|Repair Shop|Riding School|Swimming Club|
Textiles|Timber|Water Company|Youth Centre|Archive|Logistics|Software|Energy|Catering|Festival|Nursery"""
BUSINESS = [w.strip() for part in BUSINESS.split("|") for w in (part.split() if part == BUSINESS.split("|")[0] else [part])]
GIVEN = """Ada Alma Anders Anya Arlo Beatriz Bruno Carmen Cato Celia Dario Delia Devi Edith Elias Emre Esme Farid Felix
Fiona Gita Goran Greta Hana Hugo Ida Imran Ingrid Isaac Ivo Jana Joel Jonas Juno Kamal Katya Kofi Lars Leila Lena Lior
Luca Mabel Magnus Mara Mei Milo Mina Nadia Nils Nora Odile Olga Omar Otto Petra Priya Rafael Rhea Rosa Rufus Sanjay
Selma Silas Sofia Stefan Tariq Tess Thea Tomas Uma Vera Viktor Wanda Wilma Yara Yusuf Zane Zoe""".split()
FAMILY_A = "Aber Bell Ber Cal Car Dor El Fen Gar Hal Hol Jan Kar Kel Lam Lin Mar Mor Nor Okon Pel Quin Ros Sal Tal Ul Van Wes Yar Zel".split()
FAMILY_B = "aro bert by croft dane don edo eng ez ford ham ik ini is kov ley lund man mark nas o ova quist ridge sen ska son ton wick yama".split()
MODIFIERS = """north south east west main old new small large upper lower blue green red yellow staff visitor loading
quiet spare night day winter summer central rear front junior senior public private mobile digital annual weekly first
second outdoor indoor repair training members' delivery guest family heritage riverside emergency standard premium""".split()
NOUNS = {
    "place": """gate entrance office workshop canteen café library archive car park store room|kitchen|reception|laundry|
gallery|pool|gym|studio|garage|yard|jetty|hall|laboratory|help desk|lounge|shop|warehouse|clinic|playroom|reading room|
meeting room|boat house|greenhouse|ticket counter|cloakroom|mail room|server room|shelter|terrace|cellar|depot""",
    "service": """tour|membership|locker|parking permit|workshop pass|course|ticket|delivery|repair|boat hire|bike hire|
room hire|lesson|swim|guided walk|subscription|key card|uniform|lunch|day pass|photo permit|catalogue|inspection|
consultation|storage box|sewing class|kiln firing|tool rental|projector hire|season ticket|translation|collection""",
    "item": """drill|ladder|trolley|kayak|van|projector|laptop|toolbox|tent|camera|generator|pump|sewing machine|printer|
scooter|trailer|telescope|microscope|lawn mower|chainsaw|mixer|oven|scanner|radio|helmet|life jacket|torch|pallet truck""",
    "form": """expense claim|leave request|incident report|membership form|timesheet|travel request|purchase order|
safety checklist|tax form|grant application|complaint|volunteer application|stock report|annual return|invoice|
equipment return|course booking|appraisal|budget proposal|shift swap|insurance form|visitor log|parking application""",
    "team": """kitchen team|finance team|safety committee|garden crew|front desk|night shift|maintenance crew|events team|
archive group|rescue team|choir|volunteers' group|purchasing department|IT desk|training unit|quality team|delivery crew|
fundraising group|editorial board|payroll office|cleaning team|transport section|education programme|membership office""",
    "policy": """annual leave|parental leave|sick leave|probation period|notice period|mileage allowance|training budget|
lunch break|home working|overtime|travel allowance|study leave|shift bonus|clothing allowance|pension contribution|
phone allowance|trial period|warranty|refund period|loan period|storage period|cooling-off period|booking window""",
}
NOUNS["place"] = NOUNS["place"].replace("car park store room", "car park|store room").replace(
    "gate entrance office workshop canteen café library archive", "gate|entrance|office|workshop|canteen|café|library|archive"
)
THINGS = {k: [w.strip() for w in v.replace("\n", " ").split("|")] for k, v in NOUNS.items()}
COLOURS = "red orange yellow green blue purple grey black white brown pink silver gold turquoise navy maroon olive cream".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
PLACES_IN = ["on the ground floor", "on the first floor", "on the second floor", "on the third floor", "in the basement",
             "behind the {m} {n}", "next to the {m} {n}", "opposite the {m} {n}", "above the {m} {n}", "beside the {m} {n}",
             "in room {r}", "in building {c}", "in the {m} {n}", "under the {m} stairs", "in the {c} wing"]
NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()
STUFF = """cotton gloves|safety goggles|a clean towel|a photo card|sturdy boots|a high-visibility vest|soft shoes|a hair net|
a signed form|a reusable cup|ear protection|a valid ticket|a life jacket|a bicycle lock|a packed lunch|a name badge|
a member's card|waterproof clothing|two references|a doctor's note|a spare key|the green folder|a deposit slip""".replace("\n", " ").split("|")
RULES_NOT = """eating|smoking|flash photography|running|swimming alone|loud music|dogs|skateboards|open flames|glass bottles|
mobile phones|ball games|outdoor shoes|large bags|drones|portable heaters|unaccompanied children|perfume""".replace("\n", " ").split("|")


def money(r: Random) -> str:
    sign = r.choice("£££$€")
    return f"{sign}{r.choice([r.randint(2, 99), r.randint(100, 950), r.randint(1, 40) * 50])}" + r.choice(["", "", ".50", ".25", ".80"])


def clock(r: Random) -> str:
    hour, minute = r.randint(5, 22), r.choice(["00", "15", "30", "45", "10", "20"])
    return r.choice([f"{hour}:{minute}", f"{hour:02d}:{minute}", f"{(hour - 1) % 12 + 1}:{minute} {'am' if hour < 12 else 'pm'}", f"{(hour - 1) % 12 + 1} {'am' if hour < 12 else 'pm'}"])


def count(r: Random, top: int = 90) -> str:
    return r.choice([str(r.randint(2, top)), str(r.randint(2, top)), r.choice(NUMBERS)])


def length_of_time(r: Random) -> str:
    return f"{count(r, 60)} {r.choice(['days', 'days', 'weeks', 'months', 'hours', 'minutes', 'working days', 'years'])}"


def date(r: Random) -> str:
    return r.choice([f"{r.randint(1, 28)} {r.choice(MONTHS)}", f"the {r.randint(2, 20)}th of each month", f"{r.choice(DAYS)} at noon", f"the last {r.choice(DAYS)} of {r.choice(MONTHS)}", f"{r.choice(MONTHS)} {r.randint(1, 28)}"])


def code(r: Random) -> str:
    letters = "".join(r.choice("ABCDEFGHKLMNPRSTVWX") for _ in range(r.randint(1, 3)))
    return r.choice([f"{letters}-{r.randint(10, 999)}", f"{letters}{r.randint(10, 99)}", f"{r.randint(1000, 9999)}"])


def surname(r: Random) -> str:
    return r.choice(FAMILY_A) + r.choice(FAMILY_B)


def person(r: Random) -> str:
    return f"{r.choice(GIVEN)} {surname(r)}"


def place(r: Random) -> str:
    return r.choice(PLACES_IN).format(m=r.choice(MODIFIERS), n=r.choice(THINGS["place"]), r=r.randint(1, 420), c=r.choice("ABCDEFGH"))


def day(r: Random) -> str:
    return r.choice([f"every {r.choice(DAYS)}", f"on {r.choice(DAYS)}s", f"on {r.choice(DAYS)} and {r.choice(DAYS)}", f"every second {r.choice(DAYS)}", "every weekday", f"in {r.choice(MONTHS)}"])


def measure(r: Random) -> str:
    return f"{r.choice([r.randint(2, 90), r.randint(1, 60) * 10, r.randint(1, 19) / 2])} {r.choice(['kg', 'kilograms', 'metres', 'litres', 'km', 'miles', 'tonnes', 'cm', 'degrees', 'per cent'])}"


# kind -> (the sort of thing, value, statements, noun phrases, direct questions); {t} the thing, {v} the value, {o} the organisation
KINDS: dict[str, tuple[str, object, list[str], list[str], list[str]]] = {
    "opens": ("place", clock,
        ["The {t} opens at {v}.", "The {t} of {o} opens at {v}.", "Opening time of the {t}: {v}.", "At {o}, the {t} is open from {v}.", "Doors of the {t} are unlocked at {v}."],
        ["the opening time of the {t}", "the hour at which the {t} opens", "the time the {t} is unlocked", "when the {t} opens"],
        ["When does the {t} open?", "What time does the {t} open?", "From what time is the {t} open?", "How early can I get into the {t}?", "At what hour does the {t} open its doors?"]),
    "closes": ("place", clock,
        ["The {t} closes at {v}.", "The {t} of {o} shuts at {v}.", "Closing time of the {t}: {v}.", "At {o}, the {t} stays open until {v}.", "The {t} is locked at {v}."],
        ["the closing time of the {t}", "the time the {t} shuts", "when the {t} closes", "the hour at which the {t} is locked"],
        ["When does the {t} close?", "What time does the {t} shut?", "Until when is the {t} open?", "How late can I stay in the {t}?", "By what time must I have left the {t}?"]),
    "cost": ("service", money,
        ["A {t} costs {v}.", "The price of a {t} is {v}.", "The {t} costs {v} at {o}.", "{o} charges {v} for a {t}.", "Fee for the {t}: {v}."],
        ["the price of a {t}", "the cost of the {t}", "the fee for a {t}", "the charge for the {t}", "how much the {t} costs"],
        ["How much does a {t} cost?", "What does the {t} cost?", "How much is a {t}?", "What do I pay for the {t}?", "How much money do I need for a {t}?", "What is charged for a {t}?"]),
    "deposit": ("item", money,
        ["The deposit for the {t} is {v}.", "Borrowers of the {t} leave a deposit of {v}.", "{o} asks for a deposit of {v} on the {t}.", "Deposit, {t}: {v}."],
        ["the deposit for the {t}", "the deposit on a {t}", "the sum to leave when borrowing the {t}"],
        ["How much is the deposit for the {t}?", "What deposit does the {t} need?", "What do I have to leave as a deposit on the {t}?"]),
    "limit": ("service", count,
        ["At most {v} people may join one {t}.", "A {t} is limited to {v} people.", "The maximum number of people in a {t} is {v}.", "{o} allows no more than {v} people on each {t}."],
        ["the limit of people for a {t}", "the maximum number of people on a {t}", "the largest group for a {t}", "the maximum group size of the {t}"],
        ["How many people may join a {t}?", "How many people can take part in a {t}?", "What is the limit for a {t}?", "How large may a group be for the {t}?"]),
    "duration": ("service", length_of_time,
        ["A {t} lasts {v}.", "The {t} takes {v}.", "The length of a {t} is {v}.", "At {o}, the {t} lasts {v}."],
        ["the duration of the {t}", "the length of a {t}", "how long a {t} lasts", "the time a {t} takes"],
        ["How long does a {t} last?", "How long does the {t} take?", "What is the length of the {t}?", "How much time should I plan for the {t}?"]),
    "deadline": ("form", date,
        ["The {t} must be handed in by {v}.", "The deadline for the {t} is {v}.", "{o} needs every {t} by {v}.", "Each {t} is due on {v}.", "Staff submit the {t} before {v}."],
        ["the deadline for the {t}", "the due date of the {t}", "the last day for handing in the {t}", "when the {t} is due"],
        ["When is the {t} due?", "By when must the {t} be handed in?", "What is the deadline for the {t}?", "When do I have to submit the {t}?", "How long do I have for the {t}?"]),
    "sent_to": ("form", person,
        ["The {t} goes to {v}.", "Send the {t} to {v}.", "{v} receives every {t}.", "Each {t} is approved by {v}.", "{v} signs the {t}."],
        ["the person who receives the {t}", "the name of the person for the {t}", "who deals with the {t}"],
        ["Who gets the {t}?", "Who approves the {t}?", "To whom do I send the {t}?", "Where does the {t} go?", "Who has to sign the {t}?", "Who handles a {t}?"]),
    "extension": ("team", lambda r: str(r.randint(100, 9999)),
        ["The {t} can be reached on extension {v}.", "The extension of the {t} is {v}.", "Call the {t} on extension {v}.", "Phone extension, {t}: {v}."],
        ["the extension of the {t}", "the phone number of the {t}", "the number to call for the {t}", "the telephone extension of the {t}"],
        ["What extension does the {t} have?", "How do I phone the {t}?", "Which number reaches the {t}?", "On which extension can I reach the {t}?", "What number do I dial for the {t}?"]),
    "colour": ("item", lambda r: r.choice(COLOURS),
        ["The {t} is {v}.", "The colour of the {t} is {v}.", "{o} paints the {t} {v}.", "The {t} carries a {v} label."],
        ["the colour of the {t}", "the colour used for the {t}", "the label colour of the {t}"],
        ["What colour is the {t}?", "Which colour does the {t} have?", "In what colour is the {t} marked?"]),
    "leader": ("team", person,
        ["{v} leads the {t}.", "The {t} is led by {v}.", "{v} is in charge of the {t}.", "The head of the {t} is {v}.", "{v} runs the {t} at {o}.", "{v} is responsible for the {t}.", "{v} manages the {t}."],
        ["the head of the {t}", "the person in charge of the {t}", "the leader of the {t}", "the manager of the {t}", "who leads the {t}", "the name of the person responsible for the {t}"],
        ["Who leads the {t}?", "Who is in charge of the {t}?", "Who runs the {t}?", "Who is responsible for the {t}?", "Who manages the {t}?", "Who heads the {t}?", "Who looks after the {t}?"]),
    "where": ("place", place,
        ["The {t} is {v}.", "The {t} of {o} is {v}.", "You find the {t} {v}.", "The {t} is located {v}."],
        ["the location of the {t}", "the place where the {t} is", "where the {t} is", "the whereabouts of the {t}"],
        ["Where is the {t}?", "Where do I find the {t}?", "Where is the {t} located?", "In which place is the {t}?", "How do I find the {t}?"]),
    "kept": ("item", place,
        ["The {t} is kept {v}.", "{o} stores the {t} {v}.", "The {t} is stored {v}.", "Return the {t} to its place {v}."],
        ["the place of the {t}", "the storage place of the {t}", "where the {t} is kept"],
        ["Where is the {t} kept?", "Where do I find the {t}?", "Where is the {t} stored?", "Where does the {t} belong?"]),
    "code": ("place", code,
        ["The door code of the {t} is {v}.", "The code for the {t} is {v}.", "Use code {v} for the {t}.", "The {t} is entered with code {v}."],
        ["the code for the {t}", "the door code of the {t}", "the access code of the {t}"],
        ["What is the code for the {t}?", "Which code opens the {t}?", "What code do I need for the {t}?", "How do I get through the door of the {t}?"]),
    "number": ("item", code,
        ["The {t} has inventory number {v}.", "The inventory number of the {t} is {v}.", "{o} lists the {t} as {v}.", "The {t} is registered under {v}."],
        ["the inventory number of the {t}", "the registration of the {t}", "the number of the {t}"],
        ["What inventory number does the {t} have?", "Under which number is the {t} registered?", "How is the {t} listed?"]),
    "capacity": ("place", count,
        ["The {t} holds {v} people.", "The {t} has room for {v} people.", "The capacity of the {t} is {v}.", "The {t} seats {v} people.", "Up to {v} people fit into the {t}."],
        ["the capacity of the {t}", "the number of seats in the {t}", "the number of people the {t} holds"],
        ["How many people does the {t} hold?", "How many people fit into the {t}?", "What is the capacity of the {t}?", "How many seats does the {t} have?", "For how many people is there room in the {t}?"]),
    "members": ("team", count,
        ["The {t} has {v} members.", "{v} people work in the {t}.", "The {t} consists of {v} people.", "There are {v} people in the {t} at {o}."],
        ["the size of the {t}", "the number of people in the {t}", "the number of members of the {t}"],
        ["How many people work in the {t}?", "How many members does the {t} have?", "How big is the {t}?", "How many are in the {t}?"]),
    "meets": ("team", day,
        ["The {t} meets {v}.", "Meetings of the {t} take place {v}.", "The {t} of {o} comes together {v}.", "The {t} holds its meeting {v}."],
        ["the meeting day of the {t}", "the day of the {t}'s meeting", "when the {t} meets"],
        ["When does the {t} meet?", "On which day does the {t} meet?", "How often does the {t} meet?", "What day is the meeting of the {t}?"]),
    "allowance": ("policy", length_of_time,
        ["The {t} is {v}.", "The {t} at {o} is {v}.", "Employees get {v} of {t}.", "{o} grants {v} of {t}.", "The {t} lasts {v}.", "Everyone is entitled to {v} of {t}."],
        ["the length of the {t}", "the amount of {t}", "the {t}", "how long the {t} is", "the {t} entitlement"],
        ["How long is the {t}?", "How much {t} do employees get?", "What is the {t}?", "How much {t} am I entitled to?", "How long does the {t} last?", "What {t} does {o} give?"]),
    "amount": ("policy", money,
        ["The {t} is paid at {v}.", "The {t} amounts to {v}.", "{o} pays {v} as {t}.", "Staff receive {v} of {t}."],
        ["the amount of the {t}", "the rate of the {t}", "the money paid as {t}", "the sum paid for {t}"],
        ["How much is the {t}?", "What does {o} pay as {t}?", "How high is the {t}?", "How much money is the {t}?"]),
    "weight": ("item", measure,
        ["The {t} carries up to {v}.", "The limit of the {t} is {v}.", "The {t} may be loaded with {v}.", "The {t} is rated for {v}."],
        ["the limit of the {t}", "the load of the {t}", "the maximum for the {t}", "the rating of the {t}"],
        ["How much can the {t} carry?", "What is the limit of the {t}?", "What is the {t} rated for?", "How much may be loaded on the {t}?"]),
    "founded": ("team", lambda r: str(r.randint(1870, 2024)),
        ["The {t} was founded in {v}.", "The {t} started in {v}.", "The {t} of {o} has existed since {v}.", "{o} set up the {t} in {v}."],
        ["the founding year of the {t}", "the year the {t} started", "the year in which the {t} was set up"],
        ["When was the {t} founded?", "In which year did the {t} start?", "Since when has the {t} existed?", "What year was the {t} set up?"]),
    "bring": ("service", lambda r: r.choice(STUFF),
        ["For the {t} you need {v}.", "Bring {v} to the {t}.", "The {t} requires {v}.", "People on the {t} must bring {v}.", "Nobody may start the {t} without {v}."],
        ["the thing to bring to the {t}", "what the {t} requires", "the equipment needed for the {t}"],
        ["What do I need for the {t}?", "What should I bring to the {t}?", "What does the {t} require?", "What must people bring to the {t}?", "What is needed for the {t}?"]),
    "forbidden": ("place", lambda r: r.choice(RULES_NOT),
        ["In the {t}, {v} is forbidden.", "There is no {v} in the {t}.", "{v} is not allowed in the {t}.", "{o} does not allow {v} in the {t}."],
        ["the thing forbidden in the {t}", "what is not allowed in the {t}", "the ban in the {t}"],
        ["What is forbidden in the {t}?", "What is not allowed in the {t}?", "What must I not do in the {t}?", "What is prohibited in the {t}?"]),
    "supplier": ("item", lambda r: f"{r.choice(FIRST)}{r.choice(SECOND)} {r.choice(['Supplies', 'Tools', 'and Sons', 'Traders', 'Stores', 'Ltd'])}",
        ["The {t} comes from {v}.", "{v} supplies the {t}.", "{o} buys the {t} from {v}.", "The {t} is made by {v}."],
        ["the supplier of the {t}", "the maker of the {t}", "the company that supplies the {t}"],
        ["Who supplies the {t}?", "Where does the {t} come from?", "Who makes the {t}?", "From whom does {o} buy the {t}?"]),
    "checked": ("item", lambda r: r.choice(["every day", "every week", "once a month", "twice a year", "every {} days".format(r.randint(2, 60)), "every {} weeks".format(r.randint(2, 30)), "once a year", f"every {r.choice(DAYS)}"]),
        ["The {t} is checked {v}.", "The {t} is serviced {v}.", "{o} inspects the {t} {v}.", "Maintenance of the {t} takes place {v}."],
        ["the service interval of the {t}", "how often the {t} is checked", "the inspection interval of the {t}"],
        ["How often is the {t} checked?", "When is the {t} serviced?", "How often is the {t} inspected?", "How frequently is the {t} maintained?"]),
}
ASK_NP = ["What is {np}?", "Tell me {np}.", "Do you know {np}?", "I need to know {np}.", "Can you give me {np}?", "{np}?", "Please state {np}.", "Could you look up {np}?", "I am looking for {np}.", "What's {np}?", "Give {np}."]
PREFIX = ["", "", "", "", "Question: ", "Hello. ", "Quick question: ", "At {o}: ", "For {o}: ", "Please help. ", "A colleague asks: ", "About {o}: "]
KEYWORDS = ["{k}", "{k}?", "Information on {k}", "What does {o} say about {k}?", "What is known about {k}?", "What do the documents say about {k}?", "Tell me about {k}.", "{k}, please", "Which rule covers {k}?", "Look up: {k}"]
CLOZE = ["Complete: {c}", "Complete this statement: {c}", "Finish the sentence: {c}", "Go on: {c}"]
UNKNOWN = "I don't know."


@dataclass
class Fact:
    """One fact: its statement and what can be asked of it (`questions` are whole strings)."""

    kind: str
    thing: str
    value: str
    organisation: str
    statement: str

    def question(self, r: Random) -> str:
        """Draw one wording out of some hundreds."""
        _, _, _, phrases, direct = KINDS[self.kind]
        how = r.random()
        if how < 0.45:
            text = r.choice(direct)
        elif how < 0.7:
            text = upper(r.choice(ASK_NP).format(np=r.choice(phrases)))
        elif how < 0.9:
            text = self.keyword_question(r)
        else:
            words = self.statement.split()
            cut = r.randint(max(2, len(words) // 3), max(2, len(words) - 1))
            text = r.choice(CLOZE).format(c=" ".join(words[:cut]) + " …")
        text = r.choice(PREFIX) + text
        if r.random() < 0.1:
            text = text.lower()
        return text.replace("{t}", self.thing).replace("{o}", self.organisation)

    def keyword_question(self, r: Random) -> str:
        words = [w.strip(".,:") for w in self.statement.split()]
        words = [w for w in words if w.lower() not in STOP and w not in self.value]
        if len(words) > 2 and r.random() < 0.6:
            words.pop(r.randrange(len(words)))
        if r.random() < 0.3:
            r.shuffle(words)
        return r.choice(KEYWORDS).format(k=" ".join(words) or self.thing, o=self.organisation)


STOP = set("the a an of at is are to for in on by be has have it and or from this that these may must can with".split())


@dataclass
class Organisation:
    """An invented organisation, its facts in order, without two values for one question."""

    name: str
    facts: list[Fact] = field(default_factory=list)


def upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def organisation(r: Random, facts: int) -> Organisation:
    """Invent an organisation with `facts` facts; no (kind, thing) occurs twice in it."""
    name = f"{r.choice(FIRST)}{r.choice(['', r.choice(SECOND)])} {r.choice(BUSINESS)}"
    made = Organisation(name)
    seen: set[tuple[str, str]] = set()
    while len(made.facts) < facts:
        kind = r.choice(list(KINDS))
        sort, value, statements, _, _ = KINDS[kind]
        noun = r.choice(THINGS[sort])
        thing = r.choice([noun, f"{r.choice(MODIFIERS)} {noun}", f"{r.choice(MODIFIERS)} {noun}"])
        if (kind, thing) in seen:
            continue
        seen.add((kind, thing))
        v = value(r)  # type: ignore[operator]
        text = r.choice(statements).replace("{t}", thing).replace("{o}", name).replace("{v}", v)
        made.facts.append(Fact(kind, thing, v, name, upper(text)))
    return made


def handbook(org: Organisation, r: Random) -> str:
    """Write the facts as a page of prose, a list or a Markdown table row by row."""
    facts = org.facts[:]
    r.shuffle(facts)
    style = r.random()
    if style < 0.6:
        return f"# {org.name}\n\n" + " ".join(f.statement for f in facts)
    if style < 0.85:
        return f"# {org.name}\n\n" + "\n".join(f"- {f.statement}" for f in facts)
    return f"# {org.name}\n\n" + "\n".join(f"| {f.thing} | {f.kind.replace('_', ' ')} | {f.value} |" for f in facts)
