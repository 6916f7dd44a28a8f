"""The words of the recorded product: what customers of an invented bicycle market write to its support desk.

Material for `product.py` and nothing else. Each queue has its own ways of saying things and shares others with its
neighbours, so that sorting the messages is a real, imperfectly learnable task.
"""

from __future__ import annotations


def _list(text: str) -> tuple[str, ...]:
    """The phrases between the bars; a lone dash stands for saying nothing."""
    return tuple("" if item == "-" else item for item in (" ".join(part.split()) for part in text.split("|")))


PRODUCTS = _list("""
    city bike | cargo bike | folding bike | gravel bike | child seat | rear light | front light | bike computer | rain
    cape | helmet | floor pump | phone mount | pannier | bell | chain lock | e-bike battery | charger | saddle | repair
    kit | trailer
""")
FIRST_NAMES = _list("""
    Anna | Bilal | Chloe | Dario | Elif | Femke | Goran | Hana | Ivo | Jun | Kofi | Lena | Mateo | Noor | Olga | Pavel |
    Quinn | Rosa | Samir | Tuva | Umar | Vera | Wanda | Yusuf | Zoe
""")
LAST_NAMES = _list("""
    Abebe | Berg | Costa | Dogan | Eriksen | Ferrari | Garcia | Hughes | Ito | Jansen | Kowalski | Lang | Moreau | Novak
    | Okafor | Petrov | Quist | Rossi | Silva | Toth | Ueda | Vogel | Weber | Yilmaz | Zimmer
""")
CITIES = _list("""
    Ghent | Turin | Malmo | Porto | Leeds | Graz | Lyon | Utrecht | Brno | Cork | Bilbao | Aarhus | Gdansk | Patras |
    Basel
""")
DAYS = _list("""
    Monday | Tuesday | Wednesday | Thursday | Friday | Saturday | Sunday
""")
MONTHS = _list("""
    January | February | March | April | May | June | July | August | September | October | November
""")
BODY = _list("""
    wrist | knee | shoulder | hand | ankle | neck | back | elbow | hip | foot
""")

OPENINGS = _list("""
    - | - | - | Hi, | Hello, | Good morning, | Hey there, | Hi team, | Dear support, | Hello, I am a bit confused. |
    Quick question: | Sorry to bother you. | I have been a customer for years. | This is my second message. | Hi, hope
    you are well.
""")
CLOSINGS = _list("""
    - | - | - | Thanks! | Thank you. | Please help. | What should I do? | Can you look into it? | Kind regards | Best,
    {first} | Let me know. | I am waiting for your reply. | It is rather urgent. | No hurry. | Cheers, {first}
""")
DETAILS = _list("""
    - | - | - | My order number is {order}. | It is about the {product}. | I live in {city}. | I bought it on {day}. |
    Order {order}. | I paid {amount} euros. | The name on the order is {first} {last}. | It was the {product} in green.
    | I wrote to you on {day} already. | My friend in {city} had the same thing. | The shop in {city} could not help me.
""")

QUEUES: dict[str, tuple[str, ...]] = {
    "delivery_late": _list("""
        my {product} was supposed to arrive on {day} and it is still not here | the parcel is days late | where is
        my order, the tracking has not moved since {day} | I am still waiting for the {product} | the delivery date
        keeps moving | nothing has been delivered yet and you promised {day} | how much longer will the {product}
        take to reach {city} | tracking says out for delivery since {day} but nobody came
    """),
    "delivery_damaged": _list("""
        the {product} arrived with a big scratch | the box was crushed and the {product} is bent | my {product} came
        broken | one part of the {product} was cracked when I opened the parcel | the courier damaged my {product} |
        there is a dent in the {product} I just received | it arrived in pieces | the packaging was torn and the
        {product} does not work any more
    """),
    "wrong_item": _list("""
        I ordered a {product} but got a {product2} | you sent me the wrong colour | this is not the {product} I
        ordered | the size on the label is not the one I chose | I received somebody else's parcel | a {product2}
        was in the box instead of the {product} | the {product} in the parcel is a different model | wrong item, I
        need the {product}
    """),
    "return_request": _list("""
        I would like to send the {product} back | how do I return the {product} | can I get a return label for the
        {product} | the {product} does not fit me, I want to give it back | I changed my mind about the {product} |
        is it too late to return something bought on {day} | please start a return for order {order} | what are the
        conditions for sending back a {product}
    """),
    "refund_missing": _list("""
        I returned the {product} and have not got my money back | where is my refund of {amount} euros | you said
        the refund would take five days | the refund for order {order} never arrived | only a part of the money came
        back, {amount} euros are missing | still no refund on my account | my bank sees no refund from you | when
        will I be paid back for the {product}
    """),
    "payment_failed": _list("""
        my card was declined at checkout | the payment does not go through | I cannot pay for the {product}, there
        is an error | payment failed three times but my bank says all is fine | the checkout hangs when I enter my
        card | I tried to pay {amount} euros and it was rejected | your site refuses my credit card | the payment
        page goes blank
    """),
    "charged_twice": _list("""
        I was charged twice for order {order} | there are two payments of {amount} euros on my statement | you took
        the money for the {product} two times | double charge on my card | I see {amount} euros twice | my bank
        shows the same payment on {day} again | why did you book {amount} euros a second time | duplicate payment
        for one {product}
    """),
    "invoice_copy": _list("""
        please send me the invoice for order {order} | I need a receipt with our company name | can I have a copy of
        the bill for the {product} | the invoice has the wrong address | my accountant asks for the invoice of
        {amount} euros | where can I download the receipt | the VAT number is missing on the invoice | I never got a
        bill for the {product}
    """),
    "cancel_order": _list("""
        please cancel order {order} | I want to cancel the {product} before it ships | stop my order, I ordered
        twice by mistake | can the order from {day} still be cancelled | cancel everything please | I no longer need
        the {product}, it has not shipped yet | how can I cancel | order {order} was a mistake, do not send it
    """),
    "change_address": _list("""
        I moved to {city}, please change the delivery address | can you deliver to my office in {city} instead | the
        street number in order {order} is wrong | I typed the wrong postcode | send the {product} to my neighbour
        please | please update my address | I will be in {city} on {day}, can it go there | new delivery address for
        order {order}
    """),
    "warranty_repair": _list("""
        my {product} stopped working after two months | the {product} makes a strange noise when I ride | is a
        broken {product} covered by the warranty | I need a repair for my {product} | the battery of the {product}
        loses charge quickly | a screw of the {product} came off | can you fix a {product} bought last year |
        warranty claim for the {product}
    """),
    "product_question": _list("""
        does the {product} fit a {product2} | how heavy is the {product} | is the {product} waterproof | which size
        of {product} do I need | does the {product} come with a manual | can I use the {product} with a {product2} |
        what is the difference between the two {product} models | how long does the {product} last
    """),
    "stock_question": _list("""
        when will the {product} be back in stock | do you have the {product} in {city} | is the green {product}
        available | can I reserve a {product} | the {product} is sold out, when do you get more | how many
        {product}s do you have left | will there be a new {product} in {month} | I want to pick up a {product} in
        {city}, is it there
    """),
    "account_access": _list("""
        I cannot log in | my password does not work | the reset mail never arrives | my account is locked | I
        changed my e-mail and lost access to my orders | the app logs me out all the time | two accounts with the
        same name, please merge them | please delete my account
    """),
}
"""Fourteen queues: the sorting task's labels, and the ways in which customers say each."""

HEALTH: dict[str, tuple[str, ...]] = {
    "injury_reported": _list("""
        the {product} broke while riding and I hurt my {body} | my daughter fell because of the {product} and cut
        her {body} | I was in hospital with a broken {body} after the {product} failed | the brake did not grip and
        I injured my {body} | I crashed on {day}, my {body} is bruised and the {product} is to blame | doctor says
        my {body} needs weeks to heal after the fall with your {product}
    """),
    "allergy_reported": _list("""
        I got a rash on my {body} from the {product} | the material of the {product} makes my {body} itch | my skin
        reacts to the {product}, the {body} is all red | is there latex in the {product}? my {body} is swollen |
        since I use the {product} I have blisters on my {body} | allergic reaction on the {body} after one ride with
        the {product}
    """),
    "fitness_advice": _list("""
        after my operation on the {body}, which {product} can I use | I have back pain, is the {product} good for me
        | my doctor recommends cycling for my {body}, what do you suggest | can I ride with a pacemaker and the
        {product} | I am pregnant, is the {product} safe | with arthritis in the {body}, which {product} is best
    """),
}
"""Messages that hold health data: the restricted task."""

MOODS: dict[str, tuple[str, ...]] = {
    "happy": _list("""
        great service | I love the {product} | fast and friendly | five stars | the {product} is perfect | will buy
        again
    """),
    "neutral": _list("""
        it is okay | the {product} is as described | nothing special | average | does its job | delivered on {day}
    """),
    "angry": _list("""
        never again | the {product} is rubbish | worst shop in {city} | I want my money back | terrible | nobody
        answers
    """),
}
"""Reviews: a narrow task of small volume."""

REPLIES = _list("""
    Hello {first}, thank you for writing. I have looked at order {order} and asked our warehouse in {city} about the
    {product}. You will hear from us by {day}. I am sorry for the trouble.
    |
    Dear {first}, I understand that this is annoying. We will send you a new {product} at no cost and the courier
    collects the old one on {day}. You need not do anything else.
    |
    Hi {first}, good question. The {product} comes in two sizes and our colleagues in {city} can measure you. Would
    {day} suit you?
    |
    Hello {first}, I have passed your case to accounting. They need about five days for {amount} euros, and you will
    get a message when it is done.
    |
    Dear {first}, we are sorry to hear that. As a small apology you find a voucher of ten euros in your account. Is
    there anything else I can do?
    |
    Hi {first}, that should not happen. Could you send us a photo of the {product} and tell us whether it worked
    before {day}?
""")
"""Free text: every answer is somewhat its own, and none can be judged by equality."""

CLAUSES = _list("""
    The supplier shall deliver within {number} days and bears the risk until hand-over in {city}.
    |
    Either party may end this agreement with {number} days' notice to the end of a month.
    |
    The buyer pays {amount} euros per unit, {number} days after receipt of the invoice.
    |
    Liability for slight negligence is limited to {amount} euros.
""")
"""Supplier contracts: a task that hardly ever occurs."""
