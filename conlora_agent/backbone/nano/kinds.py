"""What the thousand classes of ImageNet are called in a conversation: `name classes`, ranges included, by group.

Names without classes are known to the detector alone. Classes are numbered as everywhere (by WordNet id). Left out:
what nobody would ask for by that name, and scenes.
"""

from __future__ import annotations

_GROUPS = {
    "animal": """
        shark 2-4, fish 0-1 389 391-397, ray 5-6, eel 390, chicken 7-8, ostrich 9, bird 10-23 80-83 85-86 91-95 129
        131-143 146, owl 24, lizard 38-48, salamander 25-29, frog 30-32, turtle 33-37, crocodile 49-50, dinosaur 51,
        snake 52-68, scorpion 71, spider 70 72-77, peacock 84, parrot 87-90, toucan 96, duck 97-98, goose 99, swan 100,
        kangaroo 104, koala 105, wombat 106, jellyfish 107, snail 113, slug 114-115, crab 118-121 125, lobster 122-124,
        stork 127-128, flamingo 130, pelican 144, penguin 145, whale 147-148, seal 149-150, dog 151-268 273-275,
        wolf 269-272, hyena 276, fox 277-280, cat 281-285, cougar 286, lynx 287, leopard 288-290, lion 291, tiger 292,
        cheetah 293, bear 294-297, mongoose 298, meerkat 299, beetle 300 302-307, ladybug 301, fly 308, bee 309,
        ant 310, grasshopper 311-313, cockroach 314, mantis 315, dragonfly 319-320, butterfly 321-326, starfish 327,
        sea urchin 328, rabbit 330-332, hamster 333, hedgehog 334, squirrel 335, marmot 336, beaver 337, guinea pig 338,
        horse 339, zebra 340, pig 341-343, hippo 344, cow 345-347, sheep 348-349, goat 350, antelope 351-353,
        camel 354, llama 355, weasel 356-359, otter 360, skunk 361, badger 362, armadillo 363, sloth 364,
        gorilla 366, monkey 365 367-382, lemur 383-384, elephant 101 385-386, red panda 387, panda 388, giraffe
    """,
    "vehicle": """
        airplane 404 895 908, airship 405, ambulance 407, balloon 417, bicycle 444 671, boat 472 484 554 576 625 814
        871 914, ship 403 510 628 724 780 913, bus 654 779 874, car 436 511 609 627 656 661 751 817, taxi 468, train 466
        547 565 705 820, tram 829, fire truck 555, truck 569 675 717 864 867, van 734, go-kart 573, golf cart 575,
        motorcycle 665 670, tractor 866, tank 847, tricycle 870, submarine 833, rocket 657 744 812,
        snowmobile 802, carriage 603 690
    """,
    "food": """
        guacamole 924, ice cream 928, popsicle 929, bread 930, bagel 931, pretzel 932, burger 933, hot dog 934,
        cabbage 936, broccoli 937, cauliflower 938, cucumber 939 943, pumpkin 607 940-942, artichoke 944, pepper 945,
        mushroom 947 992-997, apple 948, strawberry 949, orange 950, lemon 951, fig 952, pineapple 953, banana 954,
        pomegranate 957, pasta 959, pizza 963, pie 964, burrito 965, wine 966, coffee 967, corn 987 998,
        acorn 988, sandwich, carrot, donut, cake
    """,
    "other": """
        guitar 402 546, accordion 401, clock 409 530 892, backpack 414, pen 418 563, banjo 420, barrel 427 756,
        wheelbarrow 428, baseball 429, basketball 430, bathtub 435 876, lighthouse 437, bottle 440 720 737 898
        899 901 907, bell 494, binoculars 447, broom 462, bucket 463, candle 470, cannon 471, box 478 519,
        castle 483 698, cello 486, cell phone 487, telephone 528 707, chain 488, church 497 663 668, mug 504,
        teapot 505 849, lock 507 695, keyboard 508 810 878, trumpet 513 566, boot 514, hat 439 515 808, crane
        517, helmet 518 560 715, desk 526, computer 527 681, laptop 620, watch 531, dining table 532, dome 538,
        drum 541 822, dumbbell 543, fan 545, envelope 549, flute 558, chair 423 559 765, fountain 562, bed 520
        564, pan 567, golf ball 574, piano 579 881, hammer 587, hair drier 589, harmonica 593, harp 594, axe
        596, hourglass 604, iron 606, jeans 608, shirt 610, puzzle 611, joystick 613, knot 616, ladle 618, lamp
        619 846, lawn mower 621, lighter 626, shoe 630 770, speaker 632, magnifying glass 633, compass 635,
        mailbox 637, mask 643, microphone 650, microwave 651, screen 664, tent 672, mouse 673, nail 677,
        necklace 679, obelisk 682, paddle 693, paintbrush 696, parachute 701, bench 703, parking meter 704,
        printer 713, piggy bank 719, pillow 721, jug 725, camera 732 759, pot 738, drill 740, handbag 636 748,
        tennis racket 752, radio 754, refrigerator 760, remote 761, eraser 767, ruler 769, safety pin 772,
        sandal 774, saxophone 776, scale 778, tv 782 851, screw 783, screwdriver 784, sewing machine 786, shield
        787, shopping basket 790, shopping cart 791, shovel 792, skis 795, soccer ball 805, socks 806, solar
        panel 807, bowl 659 809, spatula 813, stethoscope 823, stopwatch 826, stove 827, couch 831, sunglasses
        836-837, bridge 821 839 888, syringe 845, teddy bear 850, tennis ball 852, toaster 859, toilet 861,
        torch 862, totem pole 863, arch 873, trombone 875, umbrella 879, vacuum cleaner 882, vase 883, vending
        machine 886, violin 889, volleyball 890, washing machine 897, water tower 900, whistle 902, tie 457 906,
        spoon 910, book 917 921, traffic light 920, plate 923, cup 968, mountain 970 972, volcano 980, flower
        985-986, sink 896, tray 868, tripod 872, mop 840, swing 843, sign 919
    """,
}


def _parse(lines: str) -> dict[str, tuple[int, ...]]:
    found = {}
    for entry in " ".join(lines.split()).split(", "):
        words = entry.split(" ")
        spans = [word for word in words if word[0].isdigit()]
        ends = [tuple(map(int, span.split("-"))) for span in spans]
        found[" ".join(words[: len(words) - len(spans)])] = tuple(n for e in ends for n in range(e[0], e[-1] + 1))
    return found


KINDS: dict[str, dict[str, tuple[int, ...]]] = {group: _parse(lines) for group, lines in _GROUPS.items()}
"""Group to name to classes."""
