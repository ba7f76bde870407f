"""XML: read without anything that it declares, written anew in one way."""

from io import BytesIO
import xml.etree.ElementTree as ET

from hypothesis import HealthCheck, given, settings, strategies as st
import pytest

from engine.errors import Refused
from engine.model import Again, Level, Outcome, Reason, Unnamed
from engine.payload import xml_text
from helpers import HOST, House, post, wire

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
HEADERS = (("Host", HOST), ("Content-Type", "text/xml; charset=utf-8"))
MEBIBYTE = 1 << 20
START = '<?xml version="1.0" encoding="UTF-8"?>'

READ = {
    "text": ("<a>21.5</a>", {"a": "21.5"}),
    "empty": ("<a/>", {"a": ""}),
    "attributes": ('<a x="1" y="2"/>', {"a": {"@x": "1", "@y": "2"}}),
    "attributes and text": (
        '<a x="1">t</a>',
        {"a": {"@x": "1", Unnamed.numbered("#text", 0): "t"}},
    ),
    "children": ("<a>\n  <b>1</b>\n <c>2</c>\n</a>", {"a": {"b": "1", "c": "2"}}),
    "repeated": (
        "<a><b>1</b><c/><b>2</b></a>",
        {"a": {"b": "1", "c": "", Again.numbered("b", 1): "2"}},
    ),
    "mixed": (
        "<a>x<b>1</b> y</a>",
        {"a": {Unnamed.numbered("#text", 0): "x", "b": "1", Unnamed.numbered("#text", 1): " y"}},
    ),
    "namespaces": (
        f'<s:E xmlns:s="{SOAP}"><s:B><r xmlns="urn:v"><t/></r><u/></s:B></s:E>',
        {f"{{{SOAP}}}E": {"B": {"{urn:v}r": {"t": ""}, "{}u": ""}}},
    ),
    "prefix defined again": (
        '<p:a xmlns:p="u"><p:a xmlns:p="v"/><p:a/></p:a>',
        {"{u}a": {"{v}a": "", "a": ""}},
    ),
    "attribute in a namespace": (
        f'<a xmlns:i="{XSI}" i:type="xsd:int" xml:lang="de"/>',
        {"a": {f"@{{{XSI}}}type": "xsd:int", "@{http://www.w3.org/XML/1998/namespace}lang": "de"}},
    ),
    "CDATA, split": ("<a>x<![CDATA[<y]]><![CDATA[>]]>&amp;&#233;</a>", {"a": "x<y>&é"}),
    "blanks that are the value": ("<a> \n</a>", {"a": " \n"}),
    "blanks in attributes": ('<a x="&#10;&#9; "/>', {"a": {"@x": "\n\t "}}),
    "carriage return": ("<a>&#13;\r\n</a>", {"a": "\r\n"}),
    "comment": ("<!--c--><a>1<!--d-->2</a>", None),
    "instruction": ('<?style href="x"?><a/>', {"#instruction": 'style href="x"', "a": ""}),
    "byte order mark": ("\ufeff<a>1</a>", {"a": "1"}),
    "names beyond ASCII": ("<é>ü</é>", {"é": "ü"}),
}


@pytest.mark.parametrize("case", READ)
def test_read(case: str) -> None:
    text, tree = READ[case]
    found = xml_text.decode(text.encode())
    assert tree is None or (found == tree and keys(found) == keys(tree))
    written = xml_text.encode(found)
    assert xml_text.decode(written) == xml_text.plain(written) == found
    assert canonical(written) == canonical(text.encode())


def keys(node: object) -> object:
    """Names in their order, and whether they are `Unnamed`."""
    if isinstance(node, dict):
        return [(str(name), isinstance(name, Unnamed), keys(node[name])) for name in node]
    return None


def canonical(document: bytes) -> str:
    """What another library says that a document is, without layout."""
    root = ET.parse(BytesIO(document)).getroot()
    for element in root.iter():
        if len(element) and not (element.text or "").strip():
            element.text = None
        for child in element:
            if not (child.tail or "").strip():
                child.tail = None
    # Prefixes are not compared: ElementTree makes its own.
    return ET.canonicalize(ET.tostring(root, encoding="utf-8"))


def test_written_in_one_way() -> None:
    """However the appliance writes: that may be seen in what is withheld only."""
    documents = (
        "<a b='1'>é&lt;</a>",
        '<a  b="&#x31;" ><![CDATA[é<]]></a >',
        '<?xml version="1.0"?>\n<a b="1">&#233;&#60;</a>\n',
        '<a xmlns:serial="urn:4711" b="1">&#xe9;<![CDATA[<]]></a>',
    )
    assert {xml_text.encode(xml_text.decode(one.encode())) for one in documents} == {
        f'{START}<a b="1">&#233;&#60;</a>'.encode()
    }


def test_two_texts_stay_two() -> None:
    tree = xml_text.decode(b"<a>x<b>1</b>y</a>")
    assert isinstance(tree, dict)
    assert isinstance(tree["a"], dict)
    del tree["a"]["b"]
    written = xml_text.encode(tree)
    assert xml_text.plain(written) == tree
    assert ET.fromstring(written).text == "xy"


LAUGHS = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
REFUSED = {
    "billion laughs": f'<!DOCTYPE l [<!ENTITY l0 "ha">{LAUGHS}]><l>&l9;</l>',
    "quadratic": f'<!DOCTYPE l [<!ENTITY x "{"x" * 50_000}">]><l>{"&x;" * 10_000}</l>',
    "external entity": '<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/hostname">]><l>&x;</l>',
    "parameter entity": '<!DOCTYPE l [<!ENTITY % x SYSTEM "http://127.0.0.1/x"> %x;]><l/>',
    "document type": "<!DOCTYPE html><html/>",
    "default attribute": '<!DOCTYPE l [<!ATTLIST l x CDATA "1">]><l/>',
    "entity without a declaration": "<l>&x;</l>",
    "attribute twice": '<a x="1" x="2"/>',
    "attribute twice by namespace": '<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>',
    "prefix for nothing": "<p:a/>",
    "xml prefix elsewhere": '<a xmlns:xml="u"/>',
    "two colons": '<a:b:c xmlns:a="u"/>',
    "blank in a namespace": '<p:a xmlns:p="u v"/>',
    "two roots": "<a/><b/>",
    "text after": "<a/>serial",
    "cut short": "<a><b>1</b>",
    "not closed in order": "<a><b></a></b>",
    "CDATA without end": "<a><![CDATA[x</a>",
    "control character": "<a>&#1;</a>",
    "declared as UTF-7": '<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>',
    "declared as UTF-16": '<?xml version="1.0" encoding="utf-16"?><a/>',
    "declared as EBCDIC": '<?xml version="1.0" encoding="cp037"?><a/>',
    "XML 1.1": '<?xml version="1.1"?><a/>',
    "nothing": "<!-- -->",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    with pytest.raises(Refused) as refusal:
        xml_text.decode(REFUSED[case].encode())
    assert refusal.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp037"])
def test_other_encodings(encoding: str) -> None:
    with pytest.raises(Refused):
        xml_text.decode('<?xml version="1.0"?><a>ü</a>'.encode(encoding))


def test_included_by_name_only() -> None:
    """XInclude is an element like any other here; nothing is fetched."""
    include = (
        '<a xmlns:x="http://www.w3.org/2001/XInclude"><x:include href="file:///etc/hosts"/></a>'
    )
    assert xml_text.decode(include.encode()) == {
        "a": {"{http://www.w3.org/2001/XInclude}include": {"@href": "file:///etc/hosts"}}
    }


HOSTILE = {
    "elements": b"<a>" + b"<b/>" * (MEBIBYTE // 4) + b"</a>",
    "deep": b"<a>" * (MEBIBYTE // 3),
    "attributes": b"<a " + b" ".join(b'a%d="1"' % n for n in range(90_000)) + b"/>",
    "namespaces": b"<a " + b" ".join(b'xmlns:n%d="u%d"' % (n, n) for n in range(45_000)) + b"/>",
    "a long namespace": b'<a xmlns="%s">' % (b"u" * (MEBIBYTE // 2)) + b"<b/>" * 9_000 + b"</a>",
    "comments": b"<a>" + b"<!---->" * (MEBIBYTE // 7) + b"</a>",
    "instructions": b"<a>" + b"<?a?>" * (MEBIBYTE // 5) + b"</a>",
}


@pytest.mark.timeout(30)  # what takes the square of a length takes minutes
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case: str) -> None:
    with pytest.raises(Refused) as refusal:
        xml_text.decode(HOSTILE[case])
    assert refusal.value.reason in (Reason.TOO_LARGE, Reason.TOO_DEEP)


NOT_OURS = [
    "<a/>",
    f"{START}<a>&amp;</a>",
    f"{START}<a b='1'/>",
    f'{START}<a  b="1"/>',
    f"{START}<a></b>",
    f"{START}<a/><b/>",
    f"{START}<a/>x",
    f"{START}<a",
    f"{START}<![CDATA[x]]>",
    f"{START}<!DOCTYPE a><a/>",
    f'{START}<a x="1" x="2"/>',
    f'{START}<a xmlns:p="u" xmlns:q="u" p:x="1" q:x="2"/>',
    f'{START}<a p:x="1"/>',
    f'{START}<p:a xmlns:p="u"/>',
    START,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(NOT_OURS)))
def test_second_reading_knows_only_what_is_written_here(number: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        xml_text.plain(NOT_OURS[number].encode())


@pytest.mark.parametrize("text", ["a--b", "a-", ">a", "->a", ""])
def test_comment_that_cannot_be_written(text: str) -> None:
    with pytest.raises(Refused):
        xml_text.encode({"#comment": text, "a": ""})


# --- In a household ---

REPORT = f"""<?xml version="1.0" encoding="utf-8"?><!-- made by 24C86E06B15C -->
<s:Envelope xmlns:s="{SOAP}"><s:Body><report xmlns="urn:frost" serial="FX-0047110815">
<temp unit="C">4.5</temp><temp unit="C">-18.0</temp><door>closed</door>
<measure type="inner"><value>17</value></measure><measure type="outer"><value>23</value></measure>
</report></s:Body></s:Envelope>"""
BASE = f"$.body['{{{SOAP}}}Envelope'].Body['{{urn:frost}}report']"


def test_one_item_of_a_report() -> None:
    house = House()
    assert house.send(post(REPORT, headers=HEADERS)).outgoing is None
    assert house.point(f"{BASE}.temp").name == "Envelope report temp"
    house.grant(f"{BASE}.temp")
    outgoing = house.sent(post(REPORT, headers=HEADERS))
    assert outgoing.body.decode() == (
        f'{START}<Envelope xmlns="{SOAP}"><Body><report xmlns="urn:frost">'
        "<temp>4.5</temp><temp>-18.0</temp></report></Body></Envelope>"
    )
    assert ("Content-Type", "text/xml; charset=utf-8") in outgoing.headers
    # A temperature without a unit, or alone, is the same item.
    alone = REPORT.replace('<temp unit="C">-18.0</temp>', "").replace(' unit="C"', "")
    assert house.sent(post(alone, headers=HEADERS)).body.count(b"<temp>") == 1


def test_attributes_tell_what_is_meant() -> None:
    house = House()
    house.send(post(REPORT, headers=HEADERS))
    house.grant(house.point(f"{BASE}.measure.value", "@type=outer"))
    body = house.sent(post(REPORT, headers=HEADERS)).body
    assert b'<measure type="outer"><value>23</value></measure>' in body
    assert b"inner" not in body
    assert b"17" not in body


def test_a_meaning_that_stands_twice_is_none() -> None:
    """Pairs side by side: the first key says nothing of the second value."""
    body = "<r><key>temp</key><value>5</value><key>door</key><value>7</value></r>"
    house = House()
    house.send(post(body, headers=HEADERS))
    assert {str(one.field) for one in house.points} == {"$.body.r.key", "$.body.r.value"}
    one = "<r><key>temp</key><value>5</value></r>"
    house.send(post(one, headers=HEADERS))
    house.grant(house.point("$.body.r.value", "key=temp"))
    assert b"5" in house.sent(post(one, headers=HEADERS)).body
    assert house.send(post(body, headers=HEADERS)).outgoing is None


@pytest.mark.parametrize(
    "name", ["deadbeef0123", "x:x", "y"], ids=["element", "namespace", "attribute"]
)
def test_names_that_are_data(name: str) -> None:
    body = (
        '<r xmlns:x="urn:uuid:24c86e06-b15c-4711-8abc-0123456789ab">'
        f'<{name} A1B2C3D4E5F6="3">5</{name}><z>1</z></r>'
    )
    house = House()
    house.send(post(body, headers=HEADERS))
    house.grant(*(one for one in house.points if one.field.siblings != ("name",)))
    left = wire(house.sent(post(body, headers=HEADERS)))
    for secret in (b"24c86e06", b"deadbeef", b"A1B2C3"):
        assert secret not in left
    assert b">5<" in left


def test_all_granted_is_written_anew() -> None:
    house = House()
    body = "<r xmlns:serial='urn:x'  a='1'><b>2</b></r>"
    house.send(post(body, headers=HEADERS))
    house.grant(*house.points)
    examined = house.send(post(body, headers=HEADERS))
    assert examined.verdict.outcome is Outcome.PERMIT
    assert examined.outgoing is not None
    assert examined.outgoing.body == f'{START}<r a="1"><b>2</b></r>'.encode()


def test_json_inside() -> None:
    body = '<r><![CDATA[{"temp":4,"serial":"FX-0047110815"}]]></r>'
    house = House()
    house.send(post(body, headers=HEADERS))
    house.grant("$.body.r.temp")
    outgoing = house.sent(post(body, headers=HEADERS))
    assert ET.fromstring(outgoing.body).text == '{"temp":4}'


NAMES = st.sampled_from(["door", "temp", "é", "a.b", "v-1"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> list[object]:
    """Nodes in nested lists: [name, attribute names, content]; None is a value."""
    content = draw(
        st.lists(
            st.none()
            | st.sampled_from(["#comment", "#instruction"])
            | (elements(depth - 1) if depth else st.none()),
            max_size=4,
        )
    )
    return [draw(NAMES), sorted(draw(st.sets(NAMES, max_size=2))), content]


class Pen:
    """Writes a document in which every value is one of a kind, and knows whose it is.

    All values but those at `same` are others if `other`, and written otherwise.
    """

    def __init__(self, same: frozenset[str] = frozenset(), *, other: bool = False) -> None:
        self.values: dict[str, str] = {}
        self._same = same
        self._other = other

    def value(self, path: str) -> str:
        text = f"cänary-{len(self.values)}x"
        self.values[text] = path
        return "other" if self._other and path not in self._same else text

    def write(self, node: list[object], path: str) -> str:
        name, attributes, content = node
        assert isinstance(attributes, list)
        assert isinstance(content, list)
        here = path + (f".{name}" if str(name).isalpha() else f"['{name}']")
        head = "".join(f" {one}='{self.value(f"{here}['@{one}']")}'" for one in attributes)
        inside = ""
        for one in content:
            if one is None:
                inside += self.value(here)
            elif one == "#comment":
                inside += f"<!--{self.value(f"{here}['#comment']")}-->"
            elif one == "#instruction":
                inside += f"<?do {self.value(f"{here}['#instruction']")}?>"
            else:
                inside += self.write(one, here)
        return f"<{name}{head}>{inside}</{name}>"


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(elements(), st.data())
def test_no_value_leaves_without_its_consent(node: list[object], data: st.DataObject) -> None:
    pen = Pen()
    body = pen.write(node, "$.body")
    house = House()
    examined = house.send(post(body, headers=HEADERS))
    assert examined.outgoing is None
    if not house.points:
        return
    granted = data.draw(st.sets(st.sampled_from(sorted(one.field.path for one in house.points))))
    house.grant(*granted)
    examined = house.send(post(body, headers=HEADERS))
    left = wire(examined.outgoing).decode() if examined.outgoing is not None else ""
    root = ET.fromstring(left.partition("\r\n\r\n")[2]) if left else None
    told = left if root is None else left + ET.tostring(root, encoding="unicode")
    for canary, path in pen.values.items():
        if path not in granted:
            assert canary not in told
            assert canary.encode("ascii", "xmlcharrefreplace").decode() not in told
        elif "#" not in path and "@" not in path and root is not None:
            assert canary in "".join(root.itertext())


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(elements(), st.data())
def test_what_is_withheld_does_not_show(node: list[object], data: st.DataObject) -> None:
    """Two documents that differ only in withheld values leave byte for byte the same."""
    one = Pen().write(node, "$.body")
    house = House()
    house.send(post(one, headers=HEADERS))
    if not house.points:
        return
    paths = sorted(point.field.path for point in house.points)
    granted = data.draw(st.frozensets(st.sampled_from(paths)))
    house.grant(*granted)
    two = Pen(granted, other=True).write(node, "$.body").replace("/>", " />")
    first = house.send(post(one, headers=HEADERS), learn=False)
    second = house.send(post(two, headers=HEADERS), learn=False)
    assert first.outgoing == second.outgoing
    assert first.verdict.reason == second.verdict.reason


def test_made_coarse() -> None:
    house = House()
    house.send(post(REPORT, headers=HEADERS))
    house.grant(f"{BASE}.temp", level=Level.COARSE)
    body = house.sent(post(REPORT, headers=HEADERS)).body
    assert b"<temp>0</temp><temp>-20</temp>" in body
    assert b"4.5" not in body
