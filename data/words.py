"""The words that generated names are made of, awkward ones included."""

FIRST_NAMES = (
    "Ada", "Björn", "Chloé", "Dmitri", "Esra", "Fatima", "Grace", "Hiroshi", "Ines", "Jürgen",
    "Katarzyna", "Linus", "Mária", "Nneka", "Oğuz", "Priya", "Quentin", "Renée", "Søren", "Thảo",
)  # fmt: skip
LAST_NAMES = (
    "Lovelace", "O'Brien", "García Márquez", "Smith-Jones", "van der Berg", "Çelik", "Nguyễn",
    "Kowalska", "李", "Иванов", "d'Arc", "Hopper", "Müller", "Öztürk", "Adeyemi", "Tanaka",
)  # fmt: skip
AWKWARD_NAMES = (
    'Dwayne "The Rock" Johnson',
    "Smith, Jane",
    "two\nlines",
    "carriage\r\nreturn",
    "🦄 Unicorn 👩‍🚀",
    "tab\there",
    "back\\slash \\N",
    "  padded  ",
    '"',
    "null",
)
COMPANY_WORDS = (
    "Nordic", "Blue", "Quantum", "Green", "Urban", "Silver", "Rapid", "Open", "Lunar", "Prime",
    "Analytics", "Bakery", "Logistics", "Media", "Robotics", "Foods", "Energy", "Health", "Labs",
)  # fmt: skip
COMPANY_FORMS = ("GmbH", "Ltd", "Inc.", "A.Ş.", "& Söhne", "S.A.", "Cooperative")
PLANS = ("Free", "Starter", "Business", "Enterprise", "")
USER_TYPES = ("Admin", "Member", "Guest", "")
TOPICS = ("politics", "sports", "culture", "economy", "science", "local", "opinion", "travel")
