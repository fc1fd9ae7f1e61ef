"""The words by which a name is known: titles, what stands before and after people, what makes
a name into something else. Data only."""

from __future__ import annotations

import re

TITLES = frozenset(
    """
    mr mrs ms miss mx dr doctor prof professor sir dame madam mme mlle monsieur madame mademoiselle
    herr frau herrn fräulein señor señora señorita sr sra srta don doña signor signora sig dott
    dott.ssa dottoressa ing avv senhor senhora mevrouw meneer dhr mevr mw pan pani shri smt
    kumari sri hon rev reverend fr father sister brother capt captain sgt sergeant lt lieutenant
    col colonel maj gen cpl officer detective inspector constable judge justice councillor cllr
    sheikh imam rabbi ambassador senator congressman congresswoman coach nurse uncle aunt auntie
    baas bay bey hanım drs ir mag dipl""".split()
)
SURE_TITLES = frozenset(
    """
    mr mrs ms miss mx dr prof professor mme mlle monsieur madame mademoiselle herr frau herrn señor
    señora señorita sr sra srta signor signora senhor senhora mevrouw meneer dhr mevr shri smt
    dott rev sgt""".split()
)
PARTICLES = frozenset(
    """
    van von de der den del della delle di da do dos das du la le las los el al bin ibn bint ben ter
    ten te af av zu zum zur y e 't op het abu mac o st st.""".split()
)
SUFFIXES = frozenset("jr sr ii iii iv phd md esq mba cpa rn dds".split())

# After a name, these make it a place, a thing or an organisation ("Newton's law").
THINGS = frozenset(
    """
    street st road rd avenue ave lane drive boulevard blvd court square terrace way crescent close
    place plaza station hall parks university college school academy institute inc incorporated
    llc ltd limited corp corporation gmbh plc company co group holdings partners associates
    award awards prize medal act bill day days week month eve method methods test tests bridge
    county city town village hospital clinic disease syndrome disorder law laws theorem lemma
    equation constant number effect principle rule algorithm process scale index curve diagram
    chart matrix distribution library museum gallery theatre theater stadium arena centre center
    building tower house island islands river lake mount mountain mountains valley creek falls
    bay beach coast canyon desert forest garden gardens farm farms ranch hills airport harbor
    harbour port pier dam reservoir foundation trust fund society association council committee
    commission department office bureau agency administration ministry lab labs laboratory press
    media records studios studio pictures news times post journal tribune gazette herald
    magazine review project program programme initiative policy policies plan guide handbook
    manual report protocol framework model models platform server software tool tools app
    service services systems system suite pipeline cloud studios motors airlines bank insurance
    hotel inn resort restaurant cafe café pub bar brewery winery church cathedral chapel abbey
    temple mosque synagogue parish diocese corps streets roads avenues north south east guards
    marines monastery castle palace fort memorial monument lecture lectures conference summit
    festival cup trophy classic open tournament championship league united rovers fc club team
    band orchestra choir ensemble reagent buffer stain coefficient transform filter series
    function functions machine engine cycle square-test lymphoma palsy sign reflex manoeuvre
    maneuver doctrine decree declaration treaty accord amendment edition amendments scholarship
    fellowship fellow fellows chair grant period clause code standard standards collection
    estate line railway railroad highway freeway expressway tunnel interchange district province
    region state states peninsula cape strait gulf ocean sea crater nebula comet asteroid
    telescope observatory cup sauce cake pie stew salad cocktail whisky whiskey cola pepper
    jeans shoes watches cosmetics electronics industries enterprises solutions technologies
    consulting bros brothers & sons daughters ward block wing room lounge suite auditorium
    campus dorm dormitory box show shows fair parade concert tickets curves regression meeting
    calendar rule zone zones building complaint hearing v. vs syndrome's gap""".split()
)
# What is no person even after a title ("Dr. Martens", "Mr. Coffee").
BRANDS = frozenset("coffee martens pepper clean bean robot hyde strange who".split())
# Before a name, these make it a place or a thing ("Lake Victoria", "Saint Mary").
BEFORE_THINGS = frozenset(
    """
    lake mount mt mountain river fort port cape saint santa san st ste camp hotel hms uss ss rms
    city university college school church hurricane storm typhoon operation project radio club
    team planet apache microsoft google amazon oracle ibm adobe apple windows bar café cafe
    restaurant castle via rue calle new north south east west great little upper lower los las
    el visual team game category type version release class model lady king queen prince
    princess pope emperor empress lord""".split()
)
# Whole names that are brands, places, programs, products or nobody: never a person at hand.
FAMOUS = frozenset(
    " ".join(name.split()) for name in """
    rob roy, shirley temple, kaplan meier, mann whitney, john doe, jane doe, joe bloggs, max
    mustermann, erika mustermann, john q public, santa claus, uncle sam, harley davidson, morgan
    stanley, charles schwab, calvin klein, tommy hilfiger, ralph lauren, hugo boss, jack
    daniels, jim beam, johnnie walker, jack wolfskin, thomas cook, marks spencer, aston martin,
    alfa romeo, mercedes benz, rolls royce, louis vuitton, christian dior, yves rocher, yves
    saint laurent, ernst young, price waterhouse, arthur andersen, merrill lynch, wells fargo,
    warner bros, ben jerry, dolce gabbana, ted baker, paul smith, kate spade, michael kors,
    donna karan, levi strauss, eddie bauer, lands end, trader joe, papa john, wendy's, tim
    hortons, mary kay, estée lauder, elizabeth arden, victoria secret, dow jones, standard poor,
    sarbanes oxley, dodd frank, taft hartley, martin luther king, prince edward, red cross, rose
    garden, mary jane, bloody mary, tom collins, jolly roger, monte carlo, san jose, san diego,
    san francisco, santa barbara, santa monica, santa fe, sierra leone, costa rica, puerto rico,
    el salvador, hong kong, kuala lumpur, addis ababa, abu dhabi, saudi arabia, sri lanka,
    virginia beach, jersey city, salt lake, st louis, baton rouge, las vegas, los angeles, palo
    alto, santa clara, santa cruz, monte cristo, rio grande, carson city, jefferson city,
    jackson hole, west virginia, north carolina, south carolina, buenos aires, sao paulo, port
    elizabeth, port louis, alice springs, hyde park, will call, may day, mark down, grace
    period, bill gates foundation, kelly blue, jenkins pipeline, ruby rails, apache kafka, franz
    kafka, ada lovelace day, pascal case, camel case, monte verde, amazon alexa, apple siri,
    visual studio, barnes noble, crate barrel, abercrombie fitch, bed bath, johnson johnson,
    procter gamble, smith wesson, black decker, hewlett packard, mcdonald douglas, lockheed
    martin, northrop grumman, booz allen, jp morgan, j p morgan, goldman sachs, credit suisse,
    deutsche bank, stanley black, jones lang, cushman wakefield, chase manhattan, allen overy,
    linklaters, ben nevis, ayers rock, uncle ben, aunt jemima, betty crocker, sara lee, famous
    amos, jimmy dean, oscar mayer, duncan hines, orville redenbacher, little debbie, marie
    curie, amber alert, megan's law, jim crow, rosetta stone, victoria falls, victoria cross,
    george cross, george washington bridge, st john, st mary, laurel hill, gray matter, france
    telecom, air france, chile relleno, lorem ipsum, dolor sit, vice president, good morning,
    guy fawkes, django unchained, ansible tower, jupiter notebook, jasmine rice, sandy bridge,
    ivy bridge, ivy league, crystal palace, crystal reports, amazon web, elastic search, happy
    hour, sunny day, rich text, dark sky, art deco, norman conquest, franklin gothic, gill sans,
    comic sans, times roman, gantt chart, venn diagram, pareto chart, ann arbor, corpus christi,
    glen canyon, grand forks, fort wayne, mason dixon""".split(
        ",")
)  # fmt: skip
# One word that is a first name or surname but, by itself, mostly something else.
PLACES = frozenset(
    """
    washington london paris berlin victoria charlotte florence jackson madison lincoln houston
    dallas austin sydney adelaide georgia virginia carolina israel jordan chad kent devon
    chester lancaster york bristol cleveland orlando savannah santiago milan verona vienna sofia
    geneva lourdes cordoba guadalupe salvador rio phoenix denver boston chicago memphis
    nashville raleigh portland seattle atlanta miami tampa detroit columbus dayton lima cairo
    alexandria tripoli troy syracuse ithaca albany trenton camden newark dover salem eugene reno
    kingston hamilton perth brisbane darwin melbourne auckland wellington cambridge oxford
    durham lincolnshire england scotland ireland wales britain france spain italy germany india
    china japan kenya america africa asia europe brazil chile cuba mali niger oman texas florida
    california oregon nevada arizona montana dakota indiana iowa kansas maine maryland delaware
    tennessee alabama louisiana missouri ohio utah idaho wyoming colorado hawaii alaska vermont
    mexico canada ontario quebec manitoba alberta regina kingston windsor halifax surrey essex
    sussex norfolk suffolk somerset lisbon madrid barcelona valencia granada roma napoli turin
    genoa lyon marseille nancy orleans zurich basel bern linz graz salzburg hamburg bremen
    hannover frankfurt cologne munich dresden leipzig essen amsterdam rotterdam utrecht delft
    brussels antwerp ghent bruges oslo bergen stockholm copenhagen helsinki warsaw krakow prague
    budapest bucharest athens istanbul ankara moscow kiev kyiv dublin cork galway belfast
    glasgow edinburgh aberdeen cardiff swansea manchester liverpool leeds sheffield birmingham
    nottingham delhi mumbai bangalore bengaluru chennai kolkata hyderabad pune jaipur lahore
    karachi dhaka colombo singapore bangkok hanoi saigon manila jakarta tokyo kyoto osaka seoul
    beijing shanghai lagos abuja accra nairobi kampala dakar tunis algiers rabat doha dubai
    riyadh tehran baghdad beirut damascus amman brooklyn bronx manhattan queens harlem hollywood
    """.split()
)
# Capitalised words that begin or join, but are no part of a name.
NO_NAME = frozenset(
    """
    the a an and or but if in on at to of for from by with as is are was were be been it its this
    that these those he she they we you i my your his her our their who what when where why how
    which not no yes all any each every some more most other another new old our per via re fw
    fwd cc bcc subject date monday tuesday wednesday thursday friday saturday sunday january
    february march july september october november december dear hi hello hey thanks thank
    regards sincerely best cheers kind general commander justice lord vp svp evp cio cdo
    attorney senator governor mayor minister contact ask call
    email e-mail mail meet see tell note please also after before during since until while
    because although though however meanwhile yesterday today tomorrow tonight then now here
    there first second third last next manager director president chief ceo cto cfo coo hr head
    lead owner author editor reviewer assistant engineer analyst officer secretary chair
    chairman chairwoman employee patient client customer tenant applicant student teacher name
    names attn attention signed approved reported written prepared submitted reviewed assigned
    created updated maintainer supervisor coordinator administrator admin consultant attendees
    present participants members according both between among against about over under within
    without through into onto upon let let's did does do has have had can could should would
    will shall might must cannot mac macs latin english french german spanish italian chinese
    japanese indian american british mr mrs ms miss dr prof sir team agency department office
    page chapter section figure table guten liebe lieber hallo sehr geehrte geehrter cher chère
    bonjour hola estimado estimada querido ciao caro cara dr. der die das den dem ein eine und
    mit von für bei ist war herr frau le la les un une et avec pour par el los las una y con por
    para il lo gli e per op het een en met speaker host guest moderator witness defendant
    plaintiff landlord nominee candidate recipient sender counsel attorney lawyer agent broker
    doctor nurse physician coach captain professor lecturer project product program senior
    junior deputy vice acting interim former principal staff lead welcome congratulations
    congrats ps pps fyi amid despite once whereas unless only even just still""".split()
)

BEFORE_PERSON = re.compile(
    r"(?:\b(?:dear|hi|hello|hey|hallo|hola|bonjour|ciao|lieber?|liebe|chère?|estimad[oa]|"
    r"querid[oa]|my name is|name is|i am|i'm|this is|called|named|aka|"
    r"contact|ask|asked|asking|call|email|e-mailed|emailed|mail|message|ping|tell|told|meet|"
    r"met|thank|thanks(?: to)?|invite|invited|"
    r"(?:reported|written|signed|approved|submitted|reviewed|prepared|assigned|created|led|"
    r"chaired|run|managed|authored|filed|witnessed|headed|"
    r"owned|designed|drafted|edited|hosted|presented|requested|maintained|interviewed|"
    r"supervised|hired|completed|taken|founded|sent|made|performed|verified|checked) by|"
    r"assigned to|report(?:s|ed)? to|reach out to|speak (?:to|with)|spoke (?:to|with)|"
    r"talk(?:ed)? (?:to|with)|met with|meeting with|married to|call from|"
    r"attn|attendance|attendees|attending|present|participants|members|panel|attention|cc|bcc|"
    r"from:|to:|manager|director|supervisor|author|owner|reviewer|name|"
    r"patient|client|customer|tenant|employee|"
    r"contact person|spouse|wife|husband|son|daughter|mother|father|brother|sister|colleague|"
    r"friend|boss|mentor|assistant|engineer|analyst|secretary|"
    r"president|ceo|cto|cfo|chair|lead|nurse|lawyer|attorney|landlord|neighbou?r|teammate|"
    r"coworker|witness|applicant|candidate|"
    r"signed|regards|sincerely|cheers|best|thanks|love|yours|né|née|behalf of|care of|c/o|"
    r"heißt|heiße|heisse|bin|name ist|je m'appelle|"
    r"me llamo|mi chiamo|ansprechpartner(?:in)?|kontakt|responsable|responsabile|contacto|"
    r"contatto|gez|i\.a|gezeichnet)"
    r"[\])*_:,.]{0,3}[ \n]{1,2}|[–—~] ?|\n\n- ?|@)[*_\"“'(\[]{0,3}$",
    re.IGNORECASE,
)
# The last words of BEFORE_PERSON and BEFORE_ANY: without one of them neither needs a try.
BEFORE_LAST = frozenset(
    """
    dear hi hello hey hallo hola bonjour ciao liebe lieber cher chère chere estimado estimada
    querido querida is am i'm called named aka contact ask asked asking call email e-mailed
    emailed mail message ping tell told meet met thank thanks to invite invited by with from
    attn attendance attendees attending present participants members panel attention cc bcc
    manager director supervisor author owner reviewer name patient client customer tenant
    employee person spouse wife husband son daughter mother father brother sister colleague
    friend boss mentor assistant engineer analyst secretary president ceo cto cfo chair lead
    nurse lawyer attorney landlord neighbour neighbor teammate coworker witness applicant
    candidate signed regards sincerely cheers best love yours né née of c/o heißt heiße heisse
    bin ist m'appelle llamo chiamo ansprechpartner ansprechpartnerin kontakt responsable
    responsabile contacto contatto gez i.a gezeichnet von mit avec con - – — ~
    """.split()
)
# These stand before places and things as well: they count before a sure first name only.
BEFORE_ANY = re.compile(r"\b(?:from|to|by|with|von|mit|avec|con|met) $", re.IGNORECASE)
AFTER_PERSON = re.compile(
    r"^(?:['’]s (?:manager|team|desk|laptop|email|e-mail|phone|husband|wife|son|daughter|"
    r"birthday|mother|father|office|home|address|"
    r"account|salary|contract|passport|report|suggestion|idea|request|question|feedback|"
    r"approval|leave|last day|first day|boss|assistant|number)\b"
    r"|,? (?:and i\b|said|says|asked|asks|told|tells|wrote|writes|called|calls|replied|"
    r"reported|reports|emailed|explained|noted|added|joined|joins|left|leads|led|"
    r"works|worked|lives|lived|moved|thinks|thought|wants|wanted|agreed|approved|signed|"
    r"suggested|mentioned|confirmed|requested|"
    r"sent|will (?:be|send|call|take|join|lead|present|review|meet|help|handle|cover|email|"
    r"contact)|has (?:been|asked|left|moved|joined|agreed|sent|worked)|"
    r"who\b|whose|is (?:the|our|my|a|an|on|out|away|responsible|in|leaving|joining|now|married|"
    r"away)\b|was (?:born|hired|promoted|diagnosed|here|there|the|our|a|an|admitted|late|"
    r"absent)\b|"
    r"aged?\b|\(?born|chaired|presented|managed|manages|handles|handled|resigned|retired|"
    r"started|complained|phoned|visited|met|bought|owns|needs|lost|paid|"
    r"forgot|texted|volunteered|proposed|thanked|missed|opened|submitted|stated|testified|"
    r"sagte|wohnt|arbeitet|schrieb|hat|a dit|habite|dijo|vive|trabaja|ha detto|abita|lavora|"
    r"woont|werkt)\b"
    r"|, (?:\d{2}\b|(?:the|our|a|an|my|his|her|their) (?:\w{1,15} ){0,3}(?:manager|director|"
    r"engineer|lead|head|nurse|teacher|analyst|designer|officer|owner|ceo|author|lawyer|"
    r"doctor|assistant|accountant|consultant|coordinator|founder|chief|president|editor|"
    r"developer|researcher|specialist)))",
    re.IGNORECASE,
)
