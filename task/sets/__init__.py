"""From sources to stimulus sets: what a recipe says, how a picture is drawn, how sets are built."""
