"""The words by which names give away what tells of people: data, no code.

English, and the words of other languages that appliances use in names: German, French, Spanish,
Italian, Dutch. A word counts whole (`doorOpenCount` has door, open and count); a stem counts
wherever it stands in a name written in one word (`homebodyweight`). What is also said of machines
(`sleep` of a processor, `heartbeat` of a connection, `image` of a firmware) is taken back by the
words in `UNLESS`.
"""

from .model import Sensitive

WORDS: dict[Sensitive, frozenset[str]] = {
    kind: frozenset(words.split())
    for kind, words in {
        Sensitive.HEALTH: """
            health heart bpm spo hrv ecg ekg oximetry blood systolic diastolic glucose insulin
            sleep asleep slept nap snoring snore apnea apnoea hypopnea waso respiration respiratory
            breathing breath weight bodyfat fat bmi muscle bone hydration visceral metabolism
            calories steps stride workout exercise pregnancy pregnant menstrual ovulation
            medication medicine pill dose allergy symptom fever stress mood brushing brush
            toothbrush teeth posture gait seizure diabetes
            gesundheit schlaf puls herz gewicht blutdruck sommeil poids coeur sueño peso sonno
            battito slaap hartslag
            """,
        Sensitive.PRESENCE: """
            presence present occupancy occupied occupant occupants motion pir athome away vacation
            holiday absence absent arrival arrived departure human humans intruder bewegung
            anwesend anwesenheit abwesend abwesenheit belegung urlaub mouvement vacances ausente
            ausencia movimiento presencia assenza presenza vacanza aanwezig beweging vakantie
            """,
        Sensitive.LOCATION: """
            latitude longitude lat lon lng gps geo geohash geofence location coordinates altitude
            country city town zip zipcode postal postcode plz street county timezone tz zoneinfo
            whereabouts sunrise sunset suncalc standort ort stadt strasse land_code ville rue pays
            ciudad calle pais latitud longitud città paese locatie straat breitengrad laengengrad
            """,
        Sensitive.RELIGION: """
            sabbath shabbat sabbat shabbos shabat kosher halal prayer prayers salah salat namaz
            adhan azan qibla ramadan iftar suhoor sehri hijri mosque church synagogue religion
            religious yomtov gebet gebete gebetszeit priere prière oracion oración preghiera
            """,
        Sensitive.CHILDREN: """
            child children childs kid kids baby babies toddler infant infants newborn parental
            nursery crib cot stroller diaper nappy kinder kleinkind säugling kindersicherung enfant
            enfants bebe bébé niño niños nino ninos bambino bambini neonato kinderslot
            """,
        Sensitive.VOICE: """
            voice audio microphone mic speech spoken utterance transcript transcription wakeword
            hotword sprache stimme mikrofon voix microfono voz spraak
            """,
        Sensitive.IMAGE: """
            image images picture pictures photo photos video snapshot thumbnail thumb camera face
            faces avatar jpeg jpg rtsp footage bild foto fotos kamera visage imagen imagenes rostro
            immagine viso beeld gezicht
            """,
        Sensitive.CONTACTS: """
            email mail telephone phone phonenumber msisdn contacts addressbook firstname lastname
            surname fullname nickname pseudo username family_name birthday birthdate dob gender
            vorname nachname telefon telefonnummer geburtstag courriel prenom prénom apellido
            cognome telefono correo
            """,
        Sensitive.NETWORK: """
            ssid bssid essid mac macaddress macaddr wifimac gatewaymac ip ipv ipaddress innerip
            localip lanip netmask subnet nameserver wlan_name netzwerkname
            """,
    }.items()
}

STEMS: dict[Sensitive, tuple[str, ...]] = {
    Sensitive.HEALTH: (
        "heartrate", "bloodpressure", "bodyweight", "bodyfat", "sleepduration", "snoring",
        "glucose", "toothbrush", "menstrua", "medication", "oximet",
    ),
    Sensitive.PRESENCE: ("occupancy", "vacationmode", "motiondetect", "awaymode", "anwesenheit"),
    Sensitive.LOCATION: ("latitude", "longitude", "timezone", "geofence", "geolocation"),
    Sensitive.RELIGION: ("sabbath", "shabbat", "prayertime", "ramadan"),
    Sensitive.CHILDREN: ("childlock", "kidslock", "babymonitor", "kindersicherung", "parental"),
    Sensitive.VOICE: ("microphone", "voicecommand", "voicerecord", "audioclip"),
    Sensitive.IMAGE: ("snapshot", "thumbnail", "cameraimage"),
    Sensitive.CONTACTS: ("emailaddress", "phonenumber", "firstname", "lastname", "username"),
    Sensitive.NETWORK: ("macaddress", "ipaddress", "bssid"),
}  # fmt: skip

PHRASES: tuple[tuple[Sensitive, frozenset[str], frozenset[str]], ...] = tuple(
    (kind, frozenset(first.split()), frozenset(second.split()))
    for kind, first, second in (
        # One of the first and one of the second, anywhere in the last names.
        (Sensitive.HEALTH, "hr rr rem", "average avg min max resting rest episodes nb sleep zone"),
        (Sensitive.HEALTH, "body", "temperature temp mass water composition age"),
        (Sensitive.HEALTH, "pulse", "rate bpm wave oximeter transit"),
        (Sensitive.HEALTH, "bed wake", "out up count in time duration exits"),
        (
            Sensitive.PRESENCE,
            """
            door doors lid window windows tür fenster porte fenêtre puerta ventana porta finestra
            deur raam
            """,
            """
            state status open opened opening openings closed close count contact signal lock locked
            unlocked ajar
            """,
        ),
        (Sensitive.PRESENCE, "contact", "sensor"),
        (Sensitive.PRESENCE, "person persons people member members", "count home detected in seen"),
        (Sensitive.LOCATION, "time local utc", "zone offset timezone"),
        (Sensitive.LOCATION, "postal home street", "address code"),
        (
            Sensitive.CONTACTS,
            "owner person persons people user member members resident family account",
            "name email phone pseudo nickname",
        ),
        (Sensitive.CONTACTS, "contact emergency", "name number list phone email"),
        (Sensitive.CONTACTS, "first last given family full middle", "name"),
        (Sensitive.CONTACTS, "persons people members residents users", "id"),
        (
            Sensitive.NETWORK,
            "wifi wlan lan network gateway router inner local ap neighbour neighbor",
            "name list mac ip address password passphrase psk key scan",
        ),
    )
)

UNLESS: dict[Sensitive, frozenset[str]] = {
    Sensitive.HEALTH: frozenset(
        """
        heartbeat beat cpu processor standby firmware program interval timeout deep_sleep screen
        display laundry load motor roller main supported vacuum floor side filter steam
        """.split()
    ),
    Sensitive.PRESENCE: frozenset(
        "setpoint temp temperature supported detect sensitivity engine version config".split()
    ),
    Sensitive.LOCATION: frozenset("header memory file url".split()),
    Sensitive.RELIGION: frozenset("supported".split()),
    Sensitive.CHILDREN: frozenset("supported process component components device devices".split()),
    Sensitive.VOICE: frozenset("supported version volume codec prompt".split()),
    Sensitive.IMAGE: frozenset(
        "firmware version supported ota docker boot kernel interface resolution codec".split()
    ),
    Sensitive.CONTACTS: frozenset("supported template".split()),
    Sensitive.NETWORK: frozenset("supported version protocol rating class".split()),
}
"""A word beside which the name is about a machine, or a list of what it can do."""

LETTERS = {"hr": Sensitive.HEALTH, "rr": Sensitive.HEALTH}
"""Abbreviations that count where they hold a series by time, or by themselves in the last name."""

HINTS = frozenset("detected detection active trigger triggered radar mmwave zone activity".split())
"""Words that tell of presence only where a figure agrees: it changes as people come and go."""
