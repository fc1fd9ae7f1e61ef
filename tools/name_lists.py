"""Distil the word list of localtune/privacy from name lists and public-domain prose.

pip install names faker mimesis
python tools/name_lists.py --text us-government-cc0.jsonl.gz --out
localtune/privacy/find/words.txt.gz

Sources: US Census 1990 names (package `names`; public domain), the name providers of `faker`
and `mimesis` (MIT), and the names written out below. `--text` is prose without copyright,
one JSON object with "text" a line: a word it writes in lower case is an ordinary word, which
may be a name too (mark, rose). Each line of the result is a word without accents and the
letters of what it can be: f first name, s surname, w word. The same sources give the same
bytes.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import faker.providers.person
import mimesis
import names

from localtune.privacy.find.words import plain

HEADER = (
    "# First names (f), surnames (s) and English words (w), by tools/name_lists.py. Sources: US "
    "Census 1990 (public domain), faker and mimesis (MIT), US government web sites (CC0).\n"
)
SURNAMES = 30_000  # of the 88,799 in the census: the rest is borne by fewer than 1 in 2 million
RATHER = 8
SEEN = 3  # times in lower case, for a word to count
CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъыьэюяіїєґўјљњћџђ",
        "a b v g d e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g u "
        "j lj "
        "nj c dz dj".replace("_", "").split(" "),
        strict=True,
    )
)

# Transliterated names that the packages write in their own scripts only, or lack.
FIRST = """
abdallah abdel abdelrahman abdul abdulaziz abdulrahman abebe abeba abiodun ade adebayo
adetokunbo adwoa afua ahmad ahmed ahmet aisha aishwarya akosua akua ali alejandra amadou amal
amara amaka aminata amir amira amit amina ananya anh anil anita anjali ankit aoife arash arjun
arvind asha ashok ayesha aziz babak bao bashir beatriz bilal bich binh biruk bolanle bongani
chiamaka chidi chidinma chika chinedu chinonso chinwe chioma cuong dae-jung daisuke deepa deepak
dilip dung duc ebele efua ekene emeka esi esra eun-ji eun-young faisal farid fatima fatou
fatoumata femi folake funmilayo gebre gulsen habib hafsa hai haile haruki haruto hassan hiroshi
hisham hoa hung huong hussain hussein hyun-woo ibrahim idris ifeanyi ifeoma imran isha ismail
jae-hyun jamal jamila jasmin ji-hoon ji-woo jian jiahui jianguo jing jun karim kavita kemal
kenji khadija khaled khalid khanh kofi kojo krishnan kunal kwabena kwaku kwame kwesi lakshmi
lamar lan laszlo lei leila leyla lihua linh ling lina long mahmoud mai malik mamadou manoj
mariam maryam meera mehdi mehmet mei meiling min-jun min-seo ming minh mina mohamed mohammad
mohammed mohan moussa muhammad mustafa nadia nadir naoko nasser neha ngozi nguyet nia nikhil
nisha nkechi nneka noor nuru obinna ola olumide oluwaseun omar omari osman oumar oluwadamilola
oluwatobi padma parvati pham phuong pooja prakash priya priyanka qing quang quoc rachid rahul
rajesh raj raju rania ravi rashid reza rohan rohit ruya sabiha sadia saeed said salim salma
samir samira sana sandeep sanjay santosh sara satoshi seo-yeon setareh shanti shreya shu
siddharth sipho siti sneha soo-jin sunil sunita suresh swati deepika shreyas aditi aditya kiran
ritu pallavi gaurav harish mukesh naveen nitin pankaj rakesh ramesh mahesh dinesh girish satish
umesh yogesh lalita radha rekha shilpa smita sonali tanvi uma varun vinay vishal farhan feroz
habiba iman jawad kareem layla marwan nabil osama qasim ruqayya sufyan tahir umar wafa yasir
zeeshan baolin chunhua dandan fang guang haiyan hongmei jiayi junjie lili meihua mingming peng
qiang rong shan tingting weiwei xiaobo xiaodong xiaofeng xiaojun xiaolin xiaoling xiaowei
xiaoyan yanyan yifan yuting zhigang ziyi zixuan chukwuemeka chukwudi chinyere ebuka ifeoluwa
kehinde taiwo olamide oluwafemi oluchi onyeka somto tochukwu ugochi uzoma abena adjoa ama esther
gifty kwadwo nana yaa yaw akwasi fatoumata mariama ndeye awa binta seydou issa souleymane
svetlana oksana olena taras bohdan mykola volodymyr kateryna yulia dmytro andriy serhiy vasyl
zdenka jaroslav vaclav swati tadesse pradeep sandhya anand govind hari jyoti leela madhu manish
mohit namrata nandini preeti radhika rajiv sangeeta sarita shankar sridhar sudha suman sundar
usha vandana vasant venkat takeshi tariq temitope thabo thanh thao thi thulani thuy tigist tuan
tunde uchenna vaishali vijay vikram vinod vivek wambui wanjiru wei weiming xiao xiaoli xiaoming
xin xiu yan yasmin yasser ying yong yoko yuki yusuf yuto zahra zainab zanele zeynep zhen zhihao
zodwa zoltan siobhan niamh saoirse ciaran eoin padraig caoimhe sioned rhys angharad llewelyn
nnamdi ikechukwu adaeze mwangi kamau otieno achieng nyambura njeri juma baraka neema rehema
tendai tinashe farai chipo rutendo tatenda kagiso lerato mpho naledi tebogo palesa ayanda
nomvula themba sibusiso jomo
""".split()
LAST = """
abadi abbasi abdi abdullah abdullahi abebe abubakar acheampong achebe adeleke adeyemi adichie
afolabi agarwal agyeman ahmadi ahmed akhtar akinyemi akintola al-farsi al-fayed al-hashimi
al-masri al-rashid al-sayed ali amin ansah antwi appiah asante asamoah ayodele aziz babangida
bahadur balogun banda banerjee bangura baptiste bello bhatt bhattacharya boateng bui cao
chaudhary chaudhry chen cheng cheung chukwu choi chowdhury chua dang das desai deshmukh dhillon
diallo diop do doan dogan dube duong ebrahimi eze farah fofana gao ghosh gill goh gupta habibi
haddad haidari hakimi hamid han haque hashemi ho hoang hosseini hou hu huang hussein huynh iwu
iyer jha joshi kamara kapoor karimi kaur keita khan khoury kim kimathi kone kumar kwon lam lau
le lee leung li lim lin liu luong lu luo ma mahmoud malhotra mehta menon mensah mishra mohamud
mokoena moradi moyo mukherjee mutua mwangi nair najjar nakamura ndiaye ndlovu ng ngo nguyen
njoroge nkosi nwosu obi ochieng odhiambo odinga ofori oh ojo okafor okeke okonkwo okoro okoye
oluwole onyango osei osman otieno owusu oyelaran park patel patil pham phan phiri pillai qureshi
rahman rahimi rao reddy roy saha sahin saleh salem sankara sarr sato sen sesay seth shah shaikh
sharma shen sheikh shrestha singh sinha siddiqui song subramanian sun suzuki syed takahashi tan
tanaka teo tesfaye thapa toure tran traore truong tshabalala venkatesan verma vo vu wang
watanabe wong wu xie xu yamamoto yang yadav ye yeboah yeo yilmaz yu yuan zhang zhao zheng zhou
zhu zulu khumalo dlamini mbeki mkhize sithole chikwanha mugabe kariuki wanjala
""".split()


# Ordinary words that are names, but too rare in the prose that is counted.
WORDS = """
amber angel april art august autumn bishop bliss bob bud chance charity chase chastity chip clay
cliff crystal daisy dale dawn dean destiny dick don drew duke earl ernest faith fern flora
forest frank gene ginger glen grace grant guy harmony harp hazel heath heather herb holly honor
hope hunter iris ivy jack jasmine jade jay jean jewel joy june kitty lance lane laurel lily
liberty major marina mark martin mason may melody mercy mike miles misty nick olive opal
patience patsy pearl penny peg pepper pete piper poppy prince princess precious ray reed rich
river rob robin rod rocky rose rosemary ruby rusty sage sandy savanna serenity sky sterling
storm summer sunny sue tad temple tiffany tim tony trinity tucker velvet verity victor viola
violet wade ward warren will willow winter wren yule ace acres apple arms bacon baker balls band
basil basket bass bath bay beam bean beans beer berry bitter black blade blow bog bone boot
boots bow box boy brass bread breeze bridge broom brothers bull burger burn burns bush butcher
butler camp camping can canon carpenter castle chamber champagne chapel cherry chestnut church
claw clerk cloud clover coffee coke collard cook cooler cooper copper cord corn cotton council
couch court cowboy crafts cream creek cross crow crown cruise curry day deer diamond doll dollar
dragon drum duck eagle elm english fall farmer feather ferry field fisher flake flower flowers
fog folk fort fox free freeze french frost fry game gang garden gate gates german gin glory
glover goal gold goose governor grass greek grey groom guest gun hair ham hammer hand hardy
harbor hart hawk hazard head heart heaven hen herald hill hills holiday holland house hurt ice
iron island judge key keys kiss knight lady lake lamb lamp land leaf league leaves leek lemon
light lime lion little lock lodge lord lotus lovely low lucky mall mango manual maple march
market marrow marshall marsh mash mayor mead means merchant messenger mill miller mills mine
mint mist moon moss mule mustard nest nickel night noble noon north oak oaks ocean page paradise
parish park parks parsley peace peach pear pepper peppers phoenix piano pie pike pine pipe
plants player plum pond pool porter post pot potter pound pounds power prayer president priest
prime proctor province punch purple queen quick rain raven read reader ready ridge riding rock
roll roof root roots rope roses royal rush rye sad safari sale salt sand savage school seats
seed seller sellers sharp sheet shell shepherd ship shoe shore short shorts silk singer slave
small smart snow soldier solo sons south spa spear spring springs square stack staff stage star
steel stem stew stock stocks stone stones storm strong string swan sweet swift table tailor tall
tan taste tea temper tiger tile timber toe top tops tower townsend toy tree trees trim trout
tuna turner valley vice vine virgin walk walker wall ward waters watt wave waters wax way weaver
weeks well west wheat wheel whip white wild wind window wine wing winner wise wolf woman wood
wooden woods word words worker workman world worth yard yellow york zero charity civil cliff
justice law laws legal link long major marine master mood more noble order pace pack packard
pass patch patron pen pick picket pitch plain plank pope precious price pride prior proper race
ramp range rash ray rest rider riser road rook rule rust saddle saint savings scales score seal
seals search setter shade shaft share shark shields shock shot shoulder shower sides signs
silver sink skipper slack sleep slate smoke snipe soap sole solid sound space spade spark speed
spice spike spot spray spread staple steady step stick still stool stout stream street strike
study sugar suite sugar sunday surface sweep swing switch tanner tar target task team tempest
tester thread tide till tiller tinker tipper toll toner torch toss touch town trace track trade
trail train travel treat trial trick trip trot truck trump trust tube turn twin upright usher
vale valid vest viewer virtue vision volley wage wagon waits wake wash watch webb wedge welcome
whale wick wide win wire witch wonder workers wrench yield
""".split()


# Names that the prose writes in lower case by mistake, or in other languages.
NO_WORDS = "chi diego garner hugo jacob justin lang leo li mattis mi min tai wade wells".split()


def packaged() -> Iterator[tuple[str, str]]:
    """Yield the first names (f) and surnames (s) of the three packages, as they write them."""
    yield from (("f", name) for name in _census("dist.male.first"))
    yield from (("f", name) for name in _census("dist.female.first"))
    yield from (("s", name) for name in list(_census("dist.all.last"))[:SURNAMES])
    for module in pkgutil.iter_modules(faker.providers.person.__path__):
        provider = importlib.import_module(f"faker.providers.person.{module.name}").Provider
        yield from _of_provider(provider)
    for file in sorted(Path(mimesis.__file__).parent.glob("datasets/*/person.json")):
        person = json.loads(file.read_text(encoding="utf-8"))
        yield from (("f", name) for name in _flat(person.get("names", [])))
        yield from (("s", name) for name in _flat(person.get("surnames", [])))


def _census(file: str) -> dict[str, float]:
    """Return names, the most frequent first, with their share in per cent."""
    lines = (Path(names.__file__).parent / file).read_text(encoding="ascii").splitlines()
    return {name: float(share) for name, share, *_ in map(str.split, lines)}


def mostly_surnames() -> set[str]:
    """Return the names that are borne as surnames many times for once as a first name."""
    first = Counter(_census("dist.male.first")) + Counter(_census("dist.female.first"))
    last = _census("dist.all.last")
    return {
        latin(name)
        for name, share in last.items()
        if share > RATHER * first[name] and share > 0.005
    }


def _of_provider(provider: type) -> Iterator[tuple[str, str]]:
    for field in dir(provider):
        kind = {"first": "f", "last": "s"}.get(field.split("_")[0])
        if kind and ("names" in field or "romanized" in field) and "pairs" not in field:
            values = getattr(provider, field)
            if isinstance(values, list | tuple | dict):
                yield from ((kind, name) for name in values if isinstance(name, str))


def _flat(found: dict[str, list[str]] | list[str]) -> Iterable[str]:
    return found if isinstance(found, list) else [n for part in found.values() for n in part]


def latin(name: str) -> str:
    """Write a name in plain Latin letters; "" where it is in another script or not one word."""
    name = plain("".join(CYRILLIC.get(letter, letter) for letter in name.lower()))
    return name if re.fullmatch(r"[a-z]{2,}(?:['-][a-z]{2,})*|[dol]'[a-z]{3,}", name) else ""


def ordinary(file: Path) -> Iterator[str]:
    """Yield the words that the prose in a .jsonl.gz writes in lower case rather than capitals."""
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            text = json.loads(line)["text"]
            small.update(re.findall(r"(?<=[a-z,] )[a-z]{2,24}(?=[ ,.;:])", text))
            large.update(re.findall(r"(?<=[a-z,] )[A-Z][a-z]{1,23}(?=[ ,.;:])", text))
    for word, times in small.items():
        if times >= SEEN and times > 0.25 * large[word.capitalize()] and word not in NO_WORDS:
            yield word


def listed() -> Iterator[str]:
    """Yield the English words that the packages make up texts of, and foods."""
    lorem = importlib.import_module("faker.providers.lorem.en_US").Provider
    yield from lorem.word_list
    folder = Path(mimesis.__file__).parent / "datasets" / "en"
    for file in ("text.json", "food.json"):
        data = json.loads((folder / file).read_text(encoding="utf-8"))
        parts = data["words"] if file == "text.json" else list(data.values())
        yield from (w for item in _flat({"": parts}) for w in str(item).split() if w.islower())


def main() -> None:
    """Write the list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    kinds: dict[str, set[str]] = {}
    known = [*packaged(), *(("f", name) for name in FIRST), *(("s", name) for name in LAST)]
    for kind, name in [*known, *(("w", word) for word in [*WORDS, *ordinary(args.text)])]:
        if word := latin(name):
            kinds.setdefault(word, set()).add(kind)
    for word in filter(None, map(latin, listed())):  # names are among them
        kinds.setdefault(word, {"w"})
    for name in mostly_surnames() - set(FIRST):
        kinds.get(name, set()).discard("f")
    rows = [f"{word} {''.join(sorted(kinds[word]))}\n" for word in sorted(kinds)]
    args.out.write_bytes(gzip.compress((HEADER + "".join(rows)).encode(), 9, mtime=0))
    print(f"{len(rows)} words, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
