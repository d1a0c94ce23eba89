"""Large cities, states and everyday names that are no city of the IANA database, each with its zone.

Not covered here: the cities that the database names itself (`places.py`).
"""

from __future__ import annotations

ALIASES = {
    "America/New_York": "new york city|nyc|washington|washington dc|boston|philadelphia|miami|atlanta|orlando|baltimore"
    "|pittsburgh|cleveland|charlotte|east coast|eastern|eastern time|est|edt|et|florida|ohio|pennsylvania"
    "|virginia|massachusetts|new jersey|michigan|north carolina|south carolina|maryland|connecticut|maine|vermont",
    "America/Chicago": "houston|dallas|austin|san antonio|new orleans|memphis|nashville|minneapolis|milwaukee|st louis"
    "|kansas city|texas|illinois|wisconsin|minnesota|louisiana|alabama|oklahoma|iowa|missouri|central time|cst|cdt"
    "|arkansas|mississippi",
    "America/Denver": "colorado|utah|salt lake city|albuquerque|new mexico|montana|wyoming|mountain time|mst|mdt",
    "America/Phoenix": "arizona|tucson",
    "America/Los_Angeles": "la|los angeles|san francisco|sf|seattle|san diego|portland|las vegas|vegas|sacramento"
    "|san jose|silicon valley|hollywood|oakland|california|oregon|nevada|washington state|west coast|pacific time|pst"
    "|pdt|pt|bay area",
    "Pacific/Honolulu": "hawaii",
    "America/Anchorage": "alaska",
    "America/Toronto": "ottawa|montreal|quebec|quebec city|ontario",
    "America/Vancouver": "victoria bc|british columbia",
    "America/Edmonton": "calgary|alberta",
    "America/Sao_Paulo": "rio|rio de janeiro|brasilia|sao paulo",
    "America/Santiago": "chile",
    "America/Guayaquil": "ecuador|quito",
    "America/Mexico_City": "guadalajara|ciudad de mexico|cdmx",
    "America/Cancun": "playa del carmen|tulum",
    "America/Bogota": "medellin|cali",
    "Europe/London": "uk|u k|great britain|britain|england|scotland|wales|northern ireland|edinburgh|glasgow|manchester"
    "|birmingham|liverpool|leeds|bristol|oxford|cambridge|cardiff|belfast|bst|united kingdom",
    "Europe/Dublin": "cork|galway",
    "Europe/Paris": "lyon|marseille|nice|toulouse|bordeaux|strasbourg|lille|nantes",
    "Europe/Berlin": "munich|muenchen|hamburg|frankfurt|cologne|koeln|stuttgart|dusseldorf|leipzig|dresden|bremen"
    "|hanover|nuremberg|cet|cest",
    "Europe/Madrid": "spain|barcelona|valencia|seville|sevilla|malaga|bilbao|granada|mallorca|ibiza",
    "Europe/Lisbon": "portugal|porto",
    "Europe/Rome": "milan|milano|naples|venice|florence|turin|bologna|palermo|genoa|pisa|sicily",
    "Europe/Zurich": "geneva|basel|bern|lausanne",
    "Europe/Vienna": "salzburg|innsbruck|graz",
    "Europe/Amsterdam": "rotterdam|the hague|hague|utrecht|eindhoven|holland|netherlands",
    "Europe/Brussels": "antwerp|ghent|bruges",
    "Europe/Warsaw": "krakow|cracow|gdansk|wroclaw|poznan",
    "Europe/Prague": "brno|czech republic",
    "Europe/Stockholm": "gothenburg|malmo|goteborg",
    "Europe/Oslo": "bergen|trondheim|tromso",
    "Europe/Copenhagen": "aarhus",
    "Europe/Kyiv": "ukraine|lviv|odesa|odessa|kharkiv",
    "Europe/Moscow": "st petersburg|saint petersburg|msk",
    "Europe/Istanbul": "turkey|ankara|izmir|antalya",
    "Asia/Tokyo": "osaka|kyoto|yokohama|sapporo|nagoya|hiroshima|fukuoka|kobe|jst",
    "Asia/Seoul": "south korea|korea|busan|kst|incheon",
    "Asia/Pyongyang": "north korea",
    "Asia/Shanghai": "china|beijing|peking|shenzhen|guangzhou|chengdu|wuhan|nanjing|hangzhou|xian",
    "Asia/Hong_Kong": "hk",
    "Asia/Taipei": "taiwan",
    "Asia/Kolkata": "india|mumbai|bombay|delhi|new delhi|bangalore|bengaluru|chennai|hyderabad|pune|ahmedabad|goa|ist"
    "|jaipur",
    "Asia/Karachi": "lahore|islamabad",
    "Asia/Ho_Chi_Minh": "hanoi|da nang|vietnam",
    "Asia/Bangkok": "phuket|chiang mai|pattaya",
    "Asia/Makassar": "bali|denpasar",
    "Asia/Kuala_Lumpur": "malaysia|penang",
    "Asia/Manila": "cebu|philippines",
    "Asia/Dubai": "abu dhabi|uae|emirates",
    "Asia/Riyadh": "mecca|medina|jeddah",
    "Asia/Jerusalem": "haifa",
    "Asia/Tehran": "isfahan|shiraz",
    "Asia/Almaty": "astana",
    "Africa/Cairo": "alexandria|giza|luxor",
    "Africa/Johannesburg": "cape town|durban|pretoria|soweto",
    "Africa/Casablanca": "marrakesh|marrakech|rabat|fez",
    "Africa/Lagos": "abuja|kano",
    "Africa/Nairobi": "mombasa",
    "Africa/Addis_Ababa": "ethiopia",
    "Australia/Sydney": "new south wales|canberra|aest|aedt",
    "Australia/Melbourne": "victoria",
    "Australia/Brisbane": "queensland|gold coast|cairns",
    "Australia/Perth": "western australia",
    "Africa/Dar_es_Salaam": "dodoma|zanzibar",
    "Africa/Douala": "yaounde",
    "America/Barbados": "bridgetown",
    "America/Guyana": "georgetown",
    "America/Jamaica": "kingston",
    "Asia/Bahrain": "manama",
    "Asia/Kuwait": "kuwait city",
    "Asia/Qatar": "doha",
    "Asia/Yangon": "naypyidaw|mandalay",
    "Europe/Malta": "valletta",
    "Indian/Maldives": "male",
    "Indian/Mauritius": "port louis",
    "Pacific/Efate": "port vila",
    "Pacific/Fiji": "suva|nadi",
    "Pacific/Guadalcanal": "honiara",
    "Pacific/Tongatapu": "nukualofa",
    "Pacific/Auckland": "new zealand|nz|wellington|christchurch|queenstown",
    "UTC": "utc|gmt|greenwich|zulu|coordinated universal time|greenwich mean time",
}
"""By zone id; "|" separates names of the same zone."""

COUNTRIES = {"usa": "US", "us": "US", "u s": "US", "america": "US", "united states of america": "US", "states": "US"}
"""What else countries are called, each with its ISO 3166 code."""
